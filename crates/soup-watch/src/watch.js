// The page of `soup watch`: takes pieces of the page as they change. All words and plots come from the server.
"use strict";

const at = (id) => document.getElementById(id);
const said = document.body.dataset;
const language = document.documentElement.lang;
let source = null;

// Moments as the reader's clock shows them.
function localise() {
  for (const time of document.querySelectorAll("time")) {
    time.textContent = new Date(time.dateTime).toLocaleString(language);
  }
}

function replace(id, html) {
  const piece = at(id);
  // Whoever reads the log with the keyboard stays there.
  const focused = piece.contains(document.activeElement);
  piece.innerHTML = html;
  if (focused) piece.querySelector("[tabindex]")?.focus();
  localise();
}

function problem(words) {
  at("problem").textContent = words;
  at("problem").hidden = !words;
}

function follow() {
  const last = new Map();
  source = new EventSource(`events?language=${language}`);
  for (const id of ["status", "facts", "curves", "folds", "settings", "log"]) {
    source.addEventListener(id, (event) => {
      if (last.get(id) !== event.data) replace(id, event.data);
      last.set(id, event.data);
    });
  }
  source.addEventListener("open", () => problem(""));
  // The browser tries again by itself, unless it was refused.
  source.addEventListener("error", () => {
    problem(said.offline);
    if (source.readyState === EventSource.CLOSED) setTimeout(() => source && (source.close(), follow()), 3000);
  });
}

function pause() {
  if (source) {
    source.close();
    source = null;
  } else {
    follow();
  }
  at("pause").textContent = source ? said.pause : said.resume;
}

async function predict(event) {
  event.preventDefault();
  const link = at("look");
  if (link.ariaBusy === "true") return;
  link.ariaBusy = "true";
  at("images").textContent = said.predicting;
  try {
    const response = await fetch(`images?language=${language}&set=${link.dataset.set}`);
    if (!response.ok) throw new Error((await response.json()).error);
    replace("images", await response.text());
    link.dataset.set = Number(link.dataset.set) + 1;
    link.textContent = said.others;
  } catch (error) {
    at("images").textContent = error.message;
  }
  link.ariaBusy = "false";
}

at("pause").hidden = false;
at("pause").addEventListener("click", pause);
at("look").addEventListener("click", predict);
localise();
follow();
