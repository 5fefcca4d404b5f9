// Runs before Gradio: language, theme, citations that unfold, copying, and a chat that stays in view.
(() => {
  'use strict';
  const page = window.zhiwenPage;
  const store = (key, value) => { try { localStorage.setItem(key, value); } catch { /* private mode */ } };
  const stored = (key) => { try { return localStorage.getItem(key); } catch { return null; } };

  // One language for Gradio's labels and for what the server writes: the cookie is read by both.
  const cookie = new RegExp(`(?:^|; )${page.cookie}=(zh|en)`).exec(document.cookie);
  const wished = (navigator.languages || [navigator.language]).map((tag) => tag.slice(0, 2).toLowerCase())
    .find((tag) => tag === 'zh' || tag === 'en');
  const language = cookie ? cookie[1] : page.language !== 'auto' ? page.language : wished || 'zh';
  document.cookie = `${page.cookie}=${language}; path=/; max-age=31536000; SameSite=Strict`;
  Object.defineProperty(navigator, 'language', { get: () => (language === 'zh' ? 'zh-CN' : 'en') });

  const theme = () => stored('zhiwen-theme');
  const dark = () => (theme() ? theme() === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches);
  const applyTheme = () => {
    if (document.body.classList.contains('dark') !== dark()) document.body.classList.toggle('dark', dark());
  };

  const unfold = (id) => {
    const details = document.getElementById(id);
    if (!details) return;
    details.open = true;
    details.scrollIntoView({ block: 'nearest', behavior: 'smooth' });
  };

  const copy = async (button) => {
    const answer = button.closest('.zw-reply').querySelector('.zw-answer').innerText;
    try {
      await navigator.clipboard.writeText(answer);
    } catch { // not a secure context
      const area = document.createElement('textarea');
      area.value = answer;
      document.body.append(area);
      area.select();
      document.execCommand('copy');
      area.remove();
    }
    const label = button.textContent;
    button.textContent = button.dataset.copied;
    setTimeout(() => { button.textContent = label; }, 1500);
  };

  window.zhiwen = {
    openLibrary: () => document.querySelectorAll('#zw-tabs [role=tab]')[1]?.click(),
  };

  // A panel of chunks opens below the list, perhaps out of sight.
  let awaitingChunks = false;
  document.addEventListener('click', (event) => {
    if (event.target.closest('[data-action=chunks]')) awaitingChunks = true;
  }, true);
  const showChunks = () => {
    if (!awaitingChunks) return;
    const panel = document.querySelector('#zw-chunks .zw-panel');
    if (!panel) return;
    awaitingChunks = false;
    panel.scrollIntoView({ block: 'nearest' });
  };

  document.addEventListener('click', (event) => {
    const target = event.target.closest('[data-unfold],[data-copy],[data-theme-switch],[data-language-switch]');
    if (!target) return;
    event.preventDefault();
    if (target.dataset.unfold) unfold(target.dataset.unfold);
    else if ('copy' in target.dataset) copy(target);
    else if ('themeSwitch' in target.dataset) {
      store('zhiwen-theme', dark() ? 'light' : 'dark');
      applyTheme();
    } else {
      const other = language === 'zh' ? 'en' : 'zh';
      document.cookie = `${page.cookie}=${other}; path=/; max-age=31536000; SameSite=Strict`;
      location.reload();
    }
  });

  // Enter that ends the composition of Chinese characters must not send the question.
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && (event.isComposing || event.keyCode === 229)) event.stopImmediatePropagation();
  }, true);

  // A page picture that cannot be made leaves no broken image behind.
  document.addEventListener('error', (event) => {
    event.target.closest?.('.zw-page')?.remove();
  }, true);

  const followAnswer = () => {
    const log = document.getElementById('zw-log');
    if (!log || log.dataset.followed) return;
    log.dataset.followed = 'yes';
    log.setAttribute('role', 'log');
    log.tabIndex = 0; // scrolled by keyboard
    let following = true;
    let exchanges = 0;
    const nearEnd = () => log.scrollHeight - log.scrollTop - log.clientHeight < 80;
    // Only a person lets go of the end; growing content must not.
    for (const gesture of ['wheel', 'touchmove', 'keydown', 'pointerdown']) {
      log.addEventListener(gesture, () => { setTimeout(() => { following = nearEnd(); }, 150); }, { passive: true });
    }
    new MutationObserver(() => {
      const count = log.querySelectorAll('.zw-exchange').length;
      if (count > exchanges) following = true;
      exchanges = count;
      if (following && count) log.scrollTop = log.scrollHeight;
    }).observe(log, { childList: true, subtree: true, characterData: true });
  };

  const fillTexts = () => {
    const texts = page.texts[language];
    if (document.title !== texts.title) document.title = texts.title;
    for (const element of document.querySelectorAll('[data-text]')) {
      if (element.textContent !== texts[element.dataset.text]) element.textContent = texts[element.dataset.text];
    }
  };

  document.addEventListener('DOMContentLoaded', () => {
    applyTheme();
    new MutationObserver(applyTheme).observe(document.body, { attributes: true, attributeFilter: ['class'] });
    new MutationObserver(() => { followAnswer(); fillTexts(); showChunks(); })
      .observe(document.body, { childList: true, subtree: true });
    followAnswer();
    fillTexts();
  });
})();
