// Runs before Gradio: language, theme, documents beside the chat, copying, and a chat that stays in view.
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

  // What a reference stands for, shown beside it: outside the log, which would cut it off.
  const tip = document.createElement('div');
  tip.className = 'zw-tip';
  tip.setAttribute('role', 'tooltip');
  tip.id = 'zw-tip';
  tip.hidden = true;
  const showTip = (event) => {
    const target = event.target.closest?.('[data-tip]');
    tip.hidden = !target;
    if (!target) return;
    if (!tip.isConnected) document.querySelector('.gradio-container').append(tip);
    tip.textContent = target.dataset.tip;
    target.setAttribute('aria-describedby', 'zw-tip');
    const at = target.getBoundingClientRect();
    tip.style.left = `${Math.max(8, Math.min(at.left, innerWidth - tip.offsetWidth - 8))}px`;
    const above = at.top - tip.offsetHeight - 6;
    tip.style.top = `${above > 0 ? above : at.bottom + 6}px`;
  };
  for (const kind of ['mouseover', 'focusin']) document.addEventListener(kind, showTip);
  document.addEventListener('scroll', () => { tip.hidden = true; }, true);

  // The document beside the chat or the list: open, at the sentence, closed again where one was.
  let opener = null;
  const toMark = (reader) => {
    const body = reader.querySelector('.zw-reader-body');
    const mark = body?.querySelector('mark, .zw-page > span, .cited');
    if (!mark) return;
    const place = mark.getBoundingClientRect().top - body.getBoundingClientRect().top;
    body.scrollTop += place - body.clientHeight / 3;
  };
  const showReaders = () => {
    for (const reader of document.querySelectorAll('.zw-reader:not([data-shown])')) {
      reader.dataset.shown = 'yes';
      requestAnimationFrame(() => toMark(reader)); // once it is laid out
      if (!('quiet' in reader.dataset)) reader.querySelector('h3').focus({ preventScroll: true });
      reader.querySelector('img')?.addEventListener('load', () => toMark(reader));
    }
  };
  const closeReader = () => {
    const reader = [...document.querySelectorAll('.zw-reader')].find((one) => one.offsetParent);
    if (!reader) return false;
    reader.remove();
    if (opener?.isConnected) opener.focus();
    return true;
  };
  document.addEventListener('click', (event) => {
    const button = event.target.closest('[data-event=read]');
    if (button && !button.closest('.zw-reader')) opener = button;
  }, true);

  const sideIsOpen = () => document.body.classList.contains('zw-side-open');
  const showSide = (open) => {
    document.body.classList.toggle('zw-side-open', open);
    const button = document.querySelector('#zw-side-switch button');
    button?.setAttribute('aria-expanded', String(open));
    (open ? document.querySelector('#zw-new') : button)?.focus();
  };

  const copy = async (button) => {
    const holder = button.closest('.zw-reply, .zw-notice');
    const answer = holder.querySelector('.zw-answer, .zw-secret').innerText;
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

  // Which conversation is open stands in the address, for a refresh to open it again; without one there,
  // the last that this browser had open. The part after "#" is never sent, and means nothing to others.
  const inAddress = () => /^#c=([\w-]+)$/.exec(location.hash)?.[1] || '';
  const keepOpened = () => {
    const current = document.querySelector('#zw-opened [data-conversation]')?.dataset.conversation;
    if (current !== undefined && current !== inAddress()) {
      history.replaceState(history.state, '', current ? `#c=${current}` : location.pathname + location.search);
    }
    if (current !== undefined && current !== stored('zhiwen-conversation')) store('zhiwen-conversation', current);
    const tuning = document.querySelector('#zw-tuned [data-tuning]')?.dataset.tuning;
    if (tuning !== undefined && tuning !== stored('zhiwen-tuning')) store('zhiwen-tuning', tuning);
  };

  // A line over everything else, said once.
  const bar = (id, text) => {
    if (document.getElementById(id)) return null;
    const line = document.createElement('div');
    line.id = id;
    line.className = 'zw-bar';
    line.setAttribute('role', 'alert');
    const said = document.createElement('p');
    said.textContent = page.texts[language][text];
    line.append(said);
    document.body.append(line);
    return line;
  };
  // A key that is revoked or ends while the page is open: from then on every request is answered with 401.
  const loggedOut = () => {
    const login = document.createElement('a');
    login.href = 'login';
    login.textContent = page.texts[language].key_login;
    bar('zw-logged-out', 'logged_out')?.append(login);
  };
  // A service that was started anew knows nothing of this page: so the page starts anew too, where it
  // was, and keeps what was being typed.
  const keepTyped = () => {
    try { sessionStorage.setItem('zhiwen-typed', document.querySelector('#zw-question textarea')?.value || ''); } catch { /* none */ }
  };
  const restarted = () => {
    keepTyped();
    location.reload();
  };
  const typeAgain = () => {
    const box = document.querySelector('#zw-question textarea');
    if (!box || box.dataset.again) return;
    box.dataset.again = 'yes';
    let typed = '';
    try {
      typed = sessionStorage.getItem('zhiwen-typed') || '';
      sessionStorage.removeItem('zhiwen-typed');
    } catch { /* none */ }
    if (!typed) return;
    box.value = typed;
    box.dispatchEvent(new Event('input', { bubbles: true }));
  };
  const plainFetch = window.fetch;
  let leaving = false; // what is under way then breaks off
  for (const kind of ['beforeunload', 'pagehide']) {
    window.addEventListener(kind, () => {
      leaving = true;
      if (document.getElementById('zw-lost')) keepTyped(); // once it is found again, Gradio loads the page anew
    });
  }
  window.addEventListener('pageshow', () => { leaving = false; });
  window.fetch = async (...call) => {
    let answer;
    try {
      answer = await plainFetch(...call);
    } catch (error) {
      // Gradio tries again by itself, but says so in English only.
      if (error.name === 'TypeError' && !leaving) bar('zw-lost', 'connection_lost');
      throw error;
    }
    document.getElementById('zw-lost')?.remove();
    const run = answer.headers.get('x-zhiwen-run');
    if (answer.status === 401) loggedOut();
    else if (run && run !== page.run) restarted();
    return answer;
  };

  // Not where a keyboard on the screen would cover the page.
  const typeQuestion = () => {
    if (innerWidth > 1000) document.querySelector('#zw-question textarea')?.focus();
  };
  // Once its form is there, and tells what is searched.
  const searchFor = (question, frames = 600) => {
    const box = document.querySelector('#zw-query textarea, #zw-query input');
    if (!box || !document.querySelector('#zw-trial-libraries .token')) {
      if (frames) requestAnimationFrame(() => searchFor(question, frames - 1));
      return;
    }
    box.value = question;
    box.dispatchEvent(new Event('input', { bubbles: true }));
    requestAnimationFrame(() => document.getElementById('zw-search')?.click());
  };

  // The first key: from then on nothing is answered without one, so its answer brings the key itself and
  // logs this browser in. Nothing is asked where there are keys, or where it would be no admin's of all.
  const firstKey = async (name, role, opens) => {
    if (!document.querySelector('#zw-keys [data-no-keys]') || role !== 'admin' || opens?.length) return {};
    const headers = { 'Accept-Language': language };
    const answer = await plainFetch('first-key', { method: 'POST', headers, body: new URLSearchParams({ name }) });
    const said = await answer.json();
    return answer.ok ? { key: said.key } : { error: said.error?.message || '' };
  };

  window.zhiwen = {
    loggedOut,
    firstKey,
    tuning: () => stored('zhiwen-tuning') || '',
    opened: () => inAddress() || stored('zhiwen-conversation') || '',
    language,
    openTab: (name, question) => {
      document.getElementById(`zw-tab-${name}-button`)?.click();
      if (name === 'chat') typeQuestion();
      if (question) searchFor(question);
    },
  };

  document.addEventListener('click', (event) => {
    const target = event.target.closest(
      '[data-copy],[data-theme-switch],[data-language-switch],[data-close-reader],[data-side-switch]',
    );
    if (!target) return;
    event.preventDefault();
    if ('closeReader' in target.dataset) closeReader();
    else if ('sideSwitch' in target.dataset) showSide(!sideIsOpen());
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

  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && !event.isComposing) {
      tip.hidden = true;
      if (closeReader()) return;
      if (sideIsOpen()) showSide(false);
      else document.querySelector('#zw-editing button')?.click();
    }
  });
  // On a phone the side bar covers the chat, so it goes once something is chosen in it, or beside it. Where
  // there is room for it, a new conversation is begun to type in.
  document.addEventListener('click', (event) => {
    const inside = event.target.closest('#zw-side, [data-side-switch]');
    if (event.target.closest('.zw-session, #zw-new') || !inside) if (sideIsOpen()) showSide(false);
    if (event.target.closest('#zw-new')) typeQuestion();
    if (event.target.closest('[data-action=edit]')) document.querySelector('#zw-question textarea')?.focus();
  });

  // A file that is dropped beside the places for files would take the page's own place. In the chat it is
  // one of the conversation's, where those are asked.
  for (const kind of ['dragover', 'drop']) {
    document.addEventListener(kind, (event) => {
      if (event.defaultPrevented || !event.dataTransfer?.types.includes('Files')) return;
      event.preventDefault();
      const input = document.querySelector('#zw-chat-files input[type=file]');
      if (kind === 'dragover' || !input?.closest('#zw-chat-files').offsetParent) return;
      input.files = event.dataTransfer.files;
      input.dispatchEvent(new Event('change', { bubbles: true }));
    });
  }

  // Enter that ends the composition of Chinese characters must not send the question.
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && (event.isComposing || event.keyCode === 229)) event.stopImmediatePropagation();
  }, true);

  // A page picture that cannot be made leaves no broken image behind.
  document.addEventListener('error', (event) => {
    event.target.closest?.('.zw-page')?.classList.add('failed');
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
    // Points in time come in UTC, and are written in the reader's own zone.
    for (const time of document.querySelectorAll('time[datetime]:not([data-local])')) {
      time.dataset.local = 'yes';
      const moment = new Date(time.dateTime);
      if (!Number.isNaN(moment.valueOf())) time.textContent = moment.toLocaleString(language === 'zh' ? 'zh-CN' : 'en-GB');
    }
  };

  document.addEventListener('DOMContentLoaded', () => {
    applyTheme();
    new MutationObserver(applyTheme).observe(document.body, { attributes: true, attributeFilter: ['class'] });
    new MutationObserver(() => { followAnswer(); fillTexts(); showReaders(); keepOpened(); typeAgain(); })
      .observe(document.body, { childList: true, subtree: true });
    followAnswer();
    fillTexts();
  });
})();
