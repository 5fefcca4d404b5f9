// What the server writes anew takes the focus with it: it goes to what was pressed, as it stands now, or to
// what that has opened.
(() => {
  'use strict';
  let pressed = null;
  let documentId = '';
  document.addEventListener('click', (event) => {
    const button = event.target.closest('[data-action]');
    const chunk = [...document.querySelectorAll('.zw-chunk')].indexOf(button?.closest('.zw-chunk'));
    pressed = button && { button, chunk, root: button.closest('[id^=zw-]')?.id, label: button.textContent, ...button.dataset };
    if (pressed?.root === 'zw-documents') documentId = pressed.id;
  }, true);
  document.addEventListener('keydown', (event) => { if (event.key === 'Tab') pressed = null; }, true);
  const successor = ({ root, action, id, exchange, label, chunk }) => {
    const alike = chunk < 0
      ? [...document.querySelectorAll(`#${root} [data-action]`)]
        .filter((one) => one.dataset.id === id && one.dataset.exchange === exchange)
      : [...document.querySelectorAll('.zw-chunk')[chunk]?.querySelectorAll('[data-action]') || []]; // its id changes
    if (chunk >= 0 && action === 'edit') return document.getElementById('zw-chunk-text');
    if (chunk >= 0 && ['save', 'list'].includes(action)) return alike.find((one) => one.dataset.action === 'edit');
    if (root === 'zw-document' && action === 'back') {
      return document.querySelector(`#zw-documents [data-action=open][data-id="${documentId}"]`);
    }
    if (root === 'zw-documents' && action === 'open') return document.querySelector('.zw-opened h2');
    const same = alike.filter((one) => one.dataset.action === action);
    return same.find((one) => one.textContent === label) || same[0];
  };
  const keepFocus = () => {
    if (!pressed) return;
    const { button, action, id, label } = pressed; // Gradio may make another button of it
    const stands = button.offsetParent && button.dataset.action === action && button.dataset.id === id;
    if (stands && button.textContent === label) return;
    if (![document.body, button].includes(document.activeElement)) return;
    const next = successor(pressed);
    if (!next?.offsetParent) return;
    next.focus({ preventScroll: true });
    pressed = null;
  };

  document.addEventListener('DOMContentLoaded', () => {
    new MutationObserver(keepFocus).observe(document.body, { childList: true, subtree: true });
  });
})();
