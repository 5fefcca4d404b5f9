// Sends files to the HTTP interface, and fetches exports from it: with progress, in batches, to be stopped.
(() => {
  'use strict';
  const zhiwen = window.zhiwen;

  // One request; resolves to its status and what the service said, or rejects when there was no answer.
  const request = (method, address, body, { onProgress, signal } = {}) => new Promise((resolve, reject) => {
    const call = new XMLHttpRequest();
    call.open(method, address);
    call.setRequestHeader('Accept-Language', zhiwen.language);
    if (onProgress) call.upload.onprogress = (event) => onProgress(event.loaded);
    call.onload = () => {
      if (call.status === 401) zhiwen.loggedOut();
      let said = {};
      try { said = JSON.parse(call.responseText); } catch { /* not ours */ }
      resolve({ ok: call.status < 400, status: call.status, said });
    };
    call.onerror = () => reject(new Error('lost'));
    call.onabort = () => reject(new Error('stopped'));
    signal?.addEventListener('abort', () => call.abort());
    call.send(body);
  });

  const form = (files) => {
    const data = new FormData();
    for (const { file, name } of files) data.append('files', file, name);
    return data;
  };
  const reason = (answer) => answer.said.error?.message || `HTTP ${answer.status}`;

  // As many files as the limits of one upload allow.
  const batches = (files, most, bytes) => {
    const found = [];
    let size = Infinity;
    for (const one of files) {
      if (size + one.file.size > bytes || found[found.length - 1]?.length >= most) { found.push([]); size = 0; }
      found[found.length - 1].push(one);
      size += one.file.size;
    }
    return found;
  };

  // Sends a batch; when all of it is refused, each file alone, so that each gets its own reason.
  const sendBatch = async (method, address, files, options, result) => {
    const answer = await request(method, address, form(files), options);
    if (answer.ok) {
      result.jobs.push(answer.said.job_id);
      for (const { name, error } of answer.said.rejected) result.rejected.push([name, error.message]);
    } else if (files.length > 1 && ![401, 403, 404, 429, 507].includes(answer.status)) {
      for (const one of files) await sendBatch(method, address, [one], options, result);
    } else {
      for (const { name } of files) result.rejected.push([name, reason(answer)]);
    }
  };

  // Files and folders that were dropped, and names of what cannot be read; hidden files are left where they are.
  const dropped = async (transfer) => {
    const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    const found = [];
    const unreadable = [];
    if (!entries.length) for (const file of transfer.files) found.push({ file, name: file.name });
    const take = async (entry) => {
      if (entry.isFile) {
        const file = await new Promise((resolve, reject) => { entry.file(resolve, reject); });
        found.push({ file, name: entry.fullPath.replace(/^\//, '') });
        return;
      }
      const reader = entry.createReader();
      const read = () => new Promise((resolve, reject) => { reader.readEntries(resolve, reject); });
      for (let part = await read(); part.length; part = await read()) { // a hundred at a time
        for (const one of part) if (!one.name.startsWith('.')) await walk(one);
      }
    };
    const walk = (entry) => take(entry).catch(() => unreadable.push(entry.fullPath.replace(/^\//, '')));
    for (const entry of entries) await walk(entry);
    return { files: found, unreadable };
  };
  const chosen = (input) => [...input.files]
    .map((file) => ({ file, name: file.webkitRelativePath || file.name }))
    .filter(({ name }) => !name.split('/').some((part) => part.startsWith('.')));

  zhiwen.dropZone = (element, tell) => {
    const waiting = []; // what was dropped or chosen while other files were being sent
    let stopping = null;
    const zone = () => element.querySelector('.zw-drop');
    // `refused` holds what became of the files sent before.
    const sendAll = async ({ files, unreadable, target }, refused) => {
      const { send: address, sending, checking, lost, knowledgeBase } = target;
      const rejected = unreadable.map((name) => [name, target.unreadable]);
      const result = { action: 'uploaded', knowledge_base: knowledgeBase, jobs: [], rejected };
      const total = files.reduce((sum, { file }) => sum + file.size, 0) || 1;
      let sent = 0;
      let done = 0;
      const show = (loaded) => {
        // Found anew each time: whoever looks at another knowledge base meanwhile has another zone.
        const panel = zone()?.querySelector('.zw-sending');
        if (!panel) return;
        const share = Math.min(1, (sent + loaded) / total);
        const where = zone().dataset.knowledgeBase === knowledgeBase ? '' : `${knowledgeBase} · `;
        panel.hidden = false;
        panel.querySelector('progress').value = share;
        const said = share < 1 ? sending : checking;
        panel.querySelector('span').textContent = where + said.replace('{done}', done)
          .replace('{total}', files.length).replace('{share}', Math.floor(100 * share));
      };
      stopping = new AbortController();
      show(0);
      try {
        for (const batch of batches(files, Number(target.files), Number(target.bytes))) {
          await sendBatch('POST', address, batch, { onProgress: show, signal: stopping.signal }, result);
          sent += batch.reduce((sum, { file }) => sum + file.size, 0);
          done += batch.length;
          show(0);
        }
      } catch (error) {
        if (error.message === 'lost') for (const { name } of files.slice(done)) rejected.push([name, lost]);
      }
      refused.push(...rejected.map(([name, why]) => [name, why, knowledgeBase]));
      tell({ ...result, rejected: [...refused] });
    };
    const send = async ({ files, unreadable }, target) => {
      if (!files.length && !unreadable.length) return;
      waiting.push({ files, unreadable, target });
      if (stopping) return;
      const refused = [];
      while (waiting.length) await sendAll(waiting.shift(), refused);
      stopping = null;
      const panel = zone()?.querySelector('.zw-sending');
      if (panel) panel.hidden = true;
    };
    const wait = (stage, event) => {
      if (!event.dataTransfer?.types.includes('Files')) return;
      event.preventDefault();
      zone()?.classList.toggle('over', stage);
    };
    element.addEventListener('dragover', (event) => wait(true, event));
    element.addEventListener('dragleave', (event) => wait(false, event));
    element.addEventListener('drop', async (event) => {
      wait(false, event);
      const target = { ...zone()?.dataset };
      if (target.send) send(await dropped(event.dataTransfer), target);
    });
    element.addEventListener('click', (event) => {
      const what = event.target.closest('[data-choose]')?.dataset.choose;
      if (what === 'stop') {
        waiting.length = 0;
        stopping?.abort();
      } else if (what) element.querySelector(what === 'folder' ? '[webkitdirectory]' : '[multiple]').click();
    });
    element.addEventListener('change', (event) => {
      if (event.target.type !== 'file') return;
      const files = chosen(event.target);
      event.target.value = ''; // so that the same files can be chosen again
      send({ files, unreadable: [] }, { ...zone().dataset });
    });
  };

  // A file that the browser asks for; nothing when the person changes their mind.
  const pick = () => new Promise((resolve) => {
    const input = document.createElement('input');
    input.type = 'file';
    input.addEventListener('change', () => resolve(input.files[0]));
    input.click();
  });
  const save = (blob, name) => {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  };

  // Buttons that replace a document's file, export a knowledge base, or keep a report.
  zhiwen.transfers = (element, tell) => {
    const busy = async (button, label, work) => {
      const before = button.textContent;
      button.disabled = true;
      button.textContent = label;
      try {
        await work();
      } catch {
        tell({ action: 'failed', error: button.dataset.lost || '' });
      }
      button.disabled = false;
      button.textContent = before;
    };
    element.addEventListener('click', async (event) => {
      const button = event.target.closest('[data-replace], [data-export], [data-save]');
      if (!button || !element.contains(button)) return;
      const { replace, export: exported, working, name } = button.dataset;
      if (replace) {
        const file = await pick();
        const sending = button.dataset.sending.replace('{done}', 0).replace('{total}', 1).replace('{share}', 0);
        const result = { action: 'uploaded', jobs: [], rejected: [] };
        if (file) await busy(button, sending, () => sendBatch('PUT', replace, [{ file, name: file.name }], {}, result));
        if (result.jobs.length || result.rejected.length) tell(result);
      } else if (exported) {
        await busy(button, working, async () => {
          const answer = await fetch(exported, { method: 'POST', headers: { 'Accept-Language': zhiwen.language } });
          if (answer.ok) save(await answer.blob(), name);
          else tell({ action: 'failed', error: (await answer.json()).error?.message || '' });
        });
      } else {
        const frame = element.querySelector('iframe');
        if (frame) save(new Blob([frame.srcdoc], { type: 'text/html' }), name);
      }
    });
  };

  zhiwen.importing = (element, tell) => {
    element.addEventListener('click', async (event) => {
      const button = event.target.closest('[data-import]');
      if (!button) return;
      const file = await pick();
      if (!file) return;
      const { working, lost } = element.querySelector('.zw-import').dataset;
      const status = element.querySelector('[role=status]');
      const name = element.querySelector('input[type=text]').value.trim();
      const data = new FormData();
      data.append('file', file, file.name);
      button.disabled = true;
      status.textContent = working;
      try {
        const address = `${button.dataset.import}?wait=false${name ? `&name=${encodeURIComponent(name)}` : ''}`;
        const onProgress = (sent) => { status.textContent = `${working} ${Math.floor(100 * sent / file.size)} %`; };
        const answer = await request('POST', address, data, { onProgress });
        if (answer.ok) tell({ action: 'queued', job: answer.said.job_id });
        else tell({ action: 'failed', error: reason(answer) });
      } catch {
        tell({ action: 'failed', error: lost });
      }
      button.disabled = false;
      status.textContent = '';
      element.querySelector('input[type=text]').value = '';
    });
  };
})();
