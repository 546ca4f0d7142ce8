/*
 * Progressive enhancement only: every page and every action works with this file missing. No inline handler, no eval.
 * Loaded in the head without defer, so that the class below is there before the first paint; all else is delegated.
 */
"use strict";
document.documentElement.classList.add("js");

const byId = (id) => document.getElementById(id);

/* The token is read at each request: a swapped page head must not leave an old one behind. */
document.addEventListener("htmx:config:request", (e) => {
  const token = document.querySelector('meta[name="csrf-token"]')?.content;
  if (token) e.detail.ctx.request.headers["X-CSRF-Token"] = token;
});

/* Old content stays readable, dimmed, while new content is on its way. Polls (data-quiet) show nothing. */
const quiet = (ctx) => !ctx?.sourceElement || ctx.sourceElement.matches("[data-quiet]");
document.addEventListener("htmx:before:request", (e) => {
  const { ctx } = e.detail;
  if (!quiet(ctx)) ctx.target?.setAttribute("aria-busy", "true");
});
document.addEventListener("htmx:finally:request", (e) => e.detail.ctx.target?.removeAttribute?.("aria-busy"));

/* Toasts come from the server into #toasts. Good news leaves after 6 s, not under the pointer or focus; errors stay. */
const LIFETIME = 6000;

function toast(text, { bad = false, href, label } = {}) {
  const box = document.createElement("div");
  const words = document.createElement("p");
  const dismiss = document.createElement("button");
  box.className = bad ? "toast bad" : "toast";
  box.dataset.toast = bad ? "stay" : "";
  words.textContent = text;
  if (href) {
    const link = document.createElement("a");
    link.href = href;
    link.textContent = label;
    words.append(" ", link);
  }
  dismiss.type = "button";
  dismiss.dataset.dismiss = "";
  dismiss.setAttribute("aria-label", "Dismiss");
  dismiss.textContent = "\u00d7";
  box.append(words, dismiss);
  byId("toasts")?.append(box);
}

function expire(box) {
  if (box.dataset?.toast !== "") return;
  let timer;
  const start = () => { timer = setTimeout(() => box.remove(), LIFETIME); };
  const hold = () => clearTimeout(timer);
  for (const name of ["pointerenter", "focusin"]) box.addEventListener(name, hold);
  for (const name of ["pointerleave", "focusout"]) box.addEventListener(name, () => { hold(); start(); });
  start();
}

/* A money form names the page to look at in data-check: after silence nobody knows whether it went through. */
function failed(ctx, text) {
  const check = ctx.sourceElement?.closest?.("[data-check]")?.dataset.check;
  if (check) toast("We could not confirm. Check the list before trying again.", { bad: true, href: check, label: "Open the list" });
  else toast(text, { bad: true });
}
document.addEventListener("htmx:response:error", (e) => {
  const { ctx } = e.detail;
  if (ctx.response.status >= 500 && !quiet(ctx)) failed(ctx, "Something went wrong on our side. Nothing was changed. Try again.");
});
document.addEventListener("htmx:error", (e) => {
  const { ctx } = e.detail;
  if (ctx?.request && !quiet(ctx)) failed(ctx, "No connection. Nothing was changed. Try again.");
});

/* One <dialog>, filled by htmx. It opens after the swap; the opener gets focus back when it closes. The browser tells of
   the closing a little later, when the next opening may have begun: the opener stays known. */
let opener = null;
document.addEventListener("htmx:before:request", (e) => {
  const source = e.detail.ctx?.sourceElement;
  if (source?.matches("[data-dialog]")) opener = source;
});
document.addEventListener("htmx:after:swap", () => {
  const modal = byId("modal");
  if (!modal) return;
  if (modal.childElementCount && !modal.open && opener) modal.showModal();
  if (modal.open) modal.querySelector("[autofocus]")?.focus();
});
document.addEventListener("modal:close", () => {
  const modal = byId("modal");
  modal?.replaceChildren();
  modal?.close();
});
document.addEventListener("close", (e) => {
  if (e.target.id !== "modal" || e.target.open) return;
  e.target.replaceChildren();
  opener?.focus();
}, true);

/* Menu, dialog and toast buttons, copy. */
function menu(open) {
  const nav = byId("nav");
  const button = document.querySelector("[data-menu]");
  if (!nav || !button) return;
  nav.classList.toggle("open", open);
  button.setAttribute("aria-expanded", nav.classList.contains("open"));
}

async function copy(button) {
  const source = byId(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(source.dataset.value ?? source.textContent.trim());
    toast("Copied");
  } catch {
    getSelection().selectAllChildren(source);
    toast("Copying is not available here. The text is selected.", { bad: true });
  }
}

document.addEventListener("click", (e) => {
  const at = (selector) => e.target.closest?.(selector);
  if (at("[data-menu]")) menu();
  const dialog = at("[data-close]")?.closest("dialog");
  if (dialog) {
    e.preventDefault();
    dialog.close();
  }
  at("[data-dismiss]")?.closest("[data-toast]").remove();
  const button = at("[data-copy]");
  if (button) copy(button);
});
/* Single keys, unless the person has switched them off: `/` searches, `?` says so. */
document.addEventListener("keydown", (e) => {
  const free = !e.ctrlKey && !e.metaKey && !e.altKey && !e.target.closest?.("input, select, textarea, dialog");
  if (!free || document.documentElement.dataset.keys === undefined) return;
  const search = document.querySelector("input[type=search]");
  if (e.key === "?") toast("Keys: / searches this page, Escape closes.", { href: "/account", label: "Switch off" });
  if (e.key !== "/" || !search) return;
  e.preventDefault();
  search.focus();
});
document.addEventListener("keydown", (e) => {
  if (e.key !== "Escape" || !byId("nav")?.classList.contains("open")) return;
  menu(false);
  document.querySelector("[data-menu]").focus();
});

/* Dates and presets of a filter: the one that is chosen clears the other. A search is of all time, unless a preset was chosen. */
document.addEventListener("input", (e) => {
  const range = e.target.form?.elements.range;
  if (!range || !e.target.closest(".filters")) return;
  if (e.target === range) for (const name of ["from", "to"]) e.target.form.elements[name].value = "";
  else if (e.target.name === "from" || e.target.name === "to") range.value = "";
  else if (range.dataset.opening !== undefined) range.value = "all";
  delete range.dataset.opening;
}, true);

/* The names of time zones, for fields that suggest them: loaded when one is used, then kept for a day. */
document.addEventListener("focusin", async (e) => {
  const list = e.target.matches?.("[data-zones]") ? e.target.list : null;
  if (!list || list.options.length) return;
  const answer = await fetch(e.target.dataset.zones).catch(() => null);
  if (!answer?.ok) return;
  for (const name of (await answer.text()).split("\n")) list.append(new Option("", name));
});

/* Chart readout on hover or tap. Keyboard and screen reader users have the table under the chart. */
function read(chart, day) {
  const out = chart.closest("[data-chart-card]")?.querySelector("[data-readout]");
  for (const other of chart.querySelectorAll(".day.on")) other.classList.remove("on");
  day?.classList.add("on");
  if (out) out.textContent = day ? day.getAttribute("aria-label") : out.dataset.rest;
}
document.addEventListener("pointerover", (e) => {
  const day = e.target.closest?.(".day");
  const chart = day?.closest("[data-chart]");
  if (chart) read(chart, day);
});
document.addEventListener("pointerout", (e) => {
  const chart = e.target.closest?.("[data-chart]");
  if (chart && !chart.contains(e.relatedTarget)) read(chart, null);
});

/* Live parts listen to "tick": every 5 s in the minute after activity, then every 60 s, never while hidden.
   The visibility test is here because a trigger filter would need eval. */
const ACTIVE = 60000;
const FAST = 5000;
let active = Date.now();
let ticked = active;
function tick() {
  ticked = Date.now();
  document.dispatchEvent(new CustomEvent("tick"));
}
for (const name of ["pointerdown", "keydown", "focus"]) {
  addEventListener(name, () => { active = Date.now(); }, { capture: true, passive: true });
}
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  active = Date.now();
  if (active - ticked >= FAST) tick();
});
setInterval(() => {
  const now = Date.now();
  const pause = now - active < ACTIVE ? FAST : ACTIVE;
  if (!document.hidden && now - ticked >= pause - 100) tick();
}, FAST);

/* Offers the browser's time zone to a user who sees UTC, until they choose one or the other. */
function offerZone(bar, zone) {
  if (!bar || !zone || /UTC|GMT/.test(zone) || localStorage.getItem("zone-offered")) return;
  bar.querySelector("[name=timezone]").value = bar.querySelector("span").textContent = zone;
  bar.hidden = false;
  for (const button of bar.querySelectorAll("button")) {
    button.addEventListener("click", () => { localStorage.setItem("zone-offered", "1"); bar.hidden = true; });
  }
}

document.addEventListener("DOMContentLoaded", () => {
  const toasts = byId("toasts");
  if (toasts) {
    [...toasts.children].forEach(expire);
    new MutationObserver((changes) => {
      for (const change of changes) change.addedNodes.forEach(expire);
    }).observe(toasts, { childList: true });
  }
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  for (const input of document.querySelectorAll("[data-timezone]")) input.value = zone ?? "";
  offerZone(document.querySelector("[data-zone-offer]"), zone);
});

/* Back from the payment page: never show a page from memory with a spent form on it. */
addEventListener("pageshow", (e) => { if (e.persisted) location.reload(); });
