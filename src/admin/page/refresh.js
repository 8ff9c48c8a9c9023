"use strict";
// Takes the place of the report every five seconds. Without it, the page is what it was when it was loaded.
(() => {
  const PERIOD = 5000;
  const bar = document.getElementById("refresh");
  const told = bar.querySelector("span");
  const button = bar.querySelector("button");
  let answered = new Date();
  let paused = false;
  let timer = 0;
  let state = word(document);

  function word(page) {
    return page.getElementById("state").textContent;
  }

  function tell(text, isLost) {
    bar.classList.toggle("lost", isLost);
    // written only when it changes, because screen readers read it out then
    if (told.textContent !== text) {
      told.textContent = text;
    }
  }

  function later() {
    clearTimeout(timer);
    if (!paused) {
      timer = setTimeout(refresh, PERIOD);
    }
  }

  // whoever selects something wants to copy it
  function isInUse() {
    const selection = getSelection();
    const report = document.getElementById("report");
    return document.hidden || (!selection.isCollapsed && report.contains(selection.anchorNode));
  }

  async function refresh() {
    if (isInUse()) {
      return later();
    }
    try {
      const patience = AbortSignal.timeout(PERIOD);
      const response = await fetch(location.pathname, { cache: "no-store", redirect: "error", signal: patience });
      if (!response.ok) {
        throw new Error(`status ${response.status}`);
      }
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      const report = page.getElementById("report");
      const focused = document.activeElement?.getAttribute("href");
      document.getElementById("report").replaceWith(document.adoptNode(report));
      if (focused) {
        report.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
      }
      document.title = page.title;
      document.querySelector("link[rel=icon]").href = page.querySelector("link[rel=icon]").href;
      answered = new Date();
      const now = word(document);
      tell(now === state ? "Refreshed every 5 s" : `The state is now: ${now}`, false);
      state = now;
    } catch {
      tell(`No answer since ${answered.toLocaleTimeString()}: this is what was known then`, true);
    }
    later();
  }

  button.addEventListener("click", () => {
    paused = !paused;
    clearTimeout(timer);
    button.textContent = paused ? "Go on" : "Pause";
    tell(paused ? "Paused" : "Refreshed every 5 s", false);
    if (!paused) {
      refresh();
    }
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && !paused) {
      refresh();
    }
  });
  bar.hidden = false;
  tell("Refreshed every 5 s", false);
  later();
})();
