// The page of `soup serve`. Talks to its own server only; keeps nothing but the language.
"use strict";

const TEXTS = {
  en: {
    model: "Model",
    image: "Image",
    labels: "Labels",
    invitation: "Drop an image here, or paste one.",
    choose: "Choose an image",
    sample: "Compose a sample",
    nothing: "No image yet.",
    asking: "Predicting…",
    threshold: "Threshold",
    own: "The model's own",
    ownValue: "own",
    copyJson: "Copy JSON",
    copyCurl: "Copy curl command",
    copied: "Copied.",
    notCopied: "The browser does not let this page copy.",
    stays: "Images go to this server only.",
    programs: "For programs: openapi.json",
    token: "This server wants a token",
    tokenUse: "Use it",
    found: (found) => `${found.length} found: ${found.join(", ")}`,
    none: "No label is above its threshold.",
    right: (right, all, falseNegatives, falsePositives) =>
      `${right} of ${all} labels right.` +
      (falseNegatives.length ? ` False negatives: ${falseNegatives.join(", ")}.` : "") +
      (falsePositives.length ? ` False positives: ${falsePositives.join(", ")}.` : ""),
    legendMaps: "Hover or focus a label to see where the model sees it; press it to keep that.",
    legendTruth: "Ringed labels are in the image; ✕ marks wrong answers.",
    facts: (name, width, height, time) => `${name}, ${width} × ${height} pixels, answered in ${time} ms`,
    sampleName: (number) => `Sample ${number}`,
    pasted: "Pasted image",
    described: (found) => (found.length ? `The image; found in it: ${found.join(", ")}` : "The image; nothing found in it"),
    isFound: "found",
    isNot: "not found",
    falseNegative: "false negative: it is in the image",
    falsePositive: "false positive: it is not in the image",
    noPreview: "This browser cannot show this format; the answer holds all the same.",
    offline: "The server does not answer.",
  },
  ko: {
    model: "모델",
    image: "이미지",
    labels: "라벨",
    invitation: "이미지를 여기에 끌어다 놓거나 붙여 넣으세요.",
    choose: "이미지 고르기",
    sample: "예시 만들기",
    nothing: "아직 이미지가 없습니다.",
    asking: "예측하는 중…",
    threshold: "기준값",
    own: "모델의 기준값",
    ownValue: "모델",
    copyJson: "JSON 복사",
    copyCurl: "curl 명령 복사",
    copied: "복사했습니다.",
    notCopied: "브라우저가 복사를 허용하지 않습니다.",
    stays: "이미지는 이 서버로만 전송됩니다.",
    programs: "프로그램용: openapi.json",
    token: "이 서버에는 토큰이 필요합니다",
    tokenUse: "사용",
    found: (found) => `${found.length}개를 찾았습니다: ${found.join(", ")}`,
    none: "기준값을 넘는 라벨이 없습니다.",
    right: (right, all, falseNegatives, falsePositives) =>
      `라벨 ${all}개 중 ${right}개가 맞았습니다.` +
      (falseNegatives.length ? ` 거짓 음성: ${falseNegatives.join(", ")}.` : "") +
      (falsePositives.length ? ` 거짓 양성: ${falsePositives.join(", ")}.` : ""),
    legendMaps: "라벨에 마우스를 올리거나 포커스를 두면 모델이 본 위치가 보이고, 누르면 고정됩니다.",
    legendTruth: "테두리가 있는 라벨은 이미지에 실제로 있으며, ✕는 틀린 답입니다.",
    facts: (name, width, height, time) => `${name}, ${width} × ${height} 픽셀, ${time} ms`,
    sampleName: (number) => `예시 ${number}`,
    pasted: "붙여 넣은 이미지",
    described: (found) => (found.length ? `이미지. 찾은 라벨: ${found.join(", ")}` : "이미지. 찾은 라벨이 없습니다"),
    isFound: "찾음",
    isNot: "없음",
    falseNegative: "거짓 음성: 이미지에 있음",
    falsePositive: "거짓 양성: 이미지에 없음",
    noPreview: "이 브라우저는 이 형식을 표시할 수 없지만 답은 그대로 유효합니다.",
    offline: "서버가 응답하지 않습니다.",
  },
};

const at = (id) => document.getElementById(id);
const state = {
  language: "en",
  token: "",
  models: new Map(),
  model: "",
  // The image: { blob, name, truth } and the answer to it.
  asked: null,
  answer: null,
  ms: 0,
  // In place of the labels' own thresholds.
  threshold: null,
  pinned: null,
  turn: 0,
};

const text = (key) => TEXTS[state.language][key];

function remembered() {
  try { return localStorage.getItem("language"); } catch { return null; }
}

function speak(language) {
  state.language = language;
  try { localStorage.setItem("language", language); } catch { /* a private window */ }
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-text]")) {
    element.textContent = text(element.dataset.text);
  }
  const other = language === "ko" ? "en" : "ko";
  at("language").textContent = other === "ko" ? "한국어" : "English";
  at("language").lang = other;
  draw();
}

class Refused extends Error {
  constructor(status, problem) {
    super(problem);
    this.status = status;
  }
}

// Asks the server; a refusal is thrown with the sentence that the server gave.
async function ask(address, options = {}) {
  const headers = { ...options.headers };
  if (state.token) headers.Authorization = `Bearer ${state.token}`;
  let response;
  try {
    response = await fetch(address, { ...options, headers });
  } catch {
    throw new Refused(0, text("offline"));
  }
  if (!response.ok) {
    const body = await response.json().catch(() => ({}));
    throw new Refused(response.status, body.error || `HTTP ${response.status}`);
  }
  return response;
}

function complain(error) {
  const needsToken = error.status === 401;
  at("token-form").hidden = !needsToken;
  at("problem").hidden = needsToken;
  at("problem").textContent = needsToken ? "" : error.message;
  if (needsToken) at("token").focus();
}

function calm() {
  at("problem").hidden = true;
  at("token-form").hidden = true;
}

async function start() {
  const index = await (await ask("v2/repository/index", { method: "POST" })).json();
  for (const { name } of index) {
    const model = await (await ask(`v2/models/${name}`)).json();
    state.models.set(name, model);
  }
  at("model").replaceChildren(...index.map(({ name }) => new Option(name, name)));
  at("model-choice").hidden = index.length < 2;
  calm();
  choose(index[0].name);
}

function choose(name) {
  state.model = name;
  state.threshold = null;
  state.answer = null;
  state.pinned = null;
  const { labels, samples } = state.models.get(name).parameters;
  at("sample").hidden = !samples;
  at("labels").classList.toggle("long", labels.some((label) => label.length > 3));
  at("labels").replaceChildren(...labels.map(tile));
  draw();
  if (state.asked) predict(state.asked);
}

function tile(label, place) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  button.type = "button";
  for (const part of ["name", "share", "mark"]) {
    const span = document.createElement("span");
    span.className = part;
    button.append(span);
  }
  button.firstChild.textContent = label;
  button.lastChild.setAttribute("aria-hidden", "true");
  const said = document.createElement("span");
  said.className = "unseen said";
  button.append(said);
  button.addEventListener("mouseenter", () => heat(place));
  button.addEventListener("focus", () => heat(place));
  button.addEventListener("mouseleave", () => heat(state.pinned));
  button.addEventListener("blur", () => heat(state.pinned));
  button.addEventListener("click", () => {
    state.pinned = state.pinned === place ? null : place;
    draw();
    heat(state.pinned);
  });
  item.append(button);
  return item;
}

async function predict(asked) {
  const turn = ++state.turn;
  state.asked = asked;
  state.answer = null;
  state.pinned = null;
  if (state.address) URL.revokeObjectURL(state.address);
  state.address = URL.createObjectURL(asked.blob);
  at("shown").alt = "";
  at("shown").src = state.address;
  calm();
  draw();
  at("summary").textContent = text("asking");
  const maps = state.models.get(state.model).outputs.some((output) => output.name === "maps");
  const query = new URLSearchParams({ model: state.model });
  if (maps) query.set("maps", "true");
  const began = performance.now();
  try {
    const response = await ask(`predict?${query}`, { method: "POST", body: asked.blob });
    const answer = await response.json();
    if (turn !== state.turn) return;
    state.answer = answer;
    state.ms = Math.round(performance.now() - began);
  } catch (error) {
    if (turn !== state.turn) return;
    state.asked = null;
    complain(error);
  }
  draw();
}

async function compose() {
  const number = Math.floor(Math.random() * 1e6);
  try {
    const response = await ask(`sample/${number}?${new URLSearchParams({ model: state.model })}`);
    const truth = (response.headers.get("soup-labels") || "").split(",");
    const blob = await response.blob();
    predict({ blob, name: () => text("sampleName")(number), truth });
  } catch (error) {
    complain(error);
  }
}

function take(file, name) {
  if (!file) return;
  // Browsers know few formats by name: the server looks at the content.
  predict({ blob: file, name, truth: null });
}

function predicted() {
  const seen = state.answer.pictures[0];
  const truth = state.asked.truth;
  return seen.answers.map(({ label, probability, threshold }) => ({
    label,
    probability,
    found: probability > (state.threshold ?? threshold),
    truth: truth && truth.includes(label),
  }));
}

function draw() {
  const answer = state.answer;
  at("shown").hidden = !state.asked;
  at("invitation").hidden = Boolean(state.asked);
  at("stage").classList.toggle("full", Boolean(state.asked));
  at("tools").hidden = !answer;
  const tiles = [...at("labels").querySelectorAll("button")];
  if (!answer) {
    for (const button of tiles) {
      button.className = "";
      button.disabled = true;
      button.querySelector(".share").textContent = "–";
      button.querySelector(".mark").textContent = "";
      button.querySelector(".said").textContent = "";
      button.style.setProperty("--share", 0);
    }
    at("summary").textContent = text("nothing");
    at("facts").textContent = "";
    at("legend").textContent = "";
    at("copied").textContent = "";
    heat(null);
    return;
  }
  const seen = answer.pictures[0];
  const labels = predicted();
  const names = (wanted) => labels.filter(wanted).map(({ label }) => label);
  const found = names((label) => label.found);
  labels.forEach(({ probability, found, truth }, place) => {
    const button = tiles[place];
    const wrong = truth !== null && truth !== found;
    button.disabled = false;
    button.className = [found && "found", truth && "true", state.pinned === place && "shown"].filter(Boolean).join(" ");
    button.setAttribute("aria-pressed", state.pinned === place);
    button.style.setProperty("--share", probability);
    button.querySelector(".share").textContent = `${Math.round(probability * 100)} %`;
    button.querySelector(".mark").textContent = wrong ? "✕" : "";
    const said = wrong ? text(found ? "falsePositive" : "falseNegative") : text(found ? "isFound" : "isNot");
    button.querySelector(".said").textContent = `, ${said}`;
  });
  let summary = found.length ? text("found")(found) : text("none");
  if (state.asked.truth) {
    const falseNegatives = names((label) => label.truth && !label.found);
    const falsePositives = names((label) => !label.truth && label.found);
    summary += `. ${text("right")(labels.length - falseNegatives.length - falsePositives.length, labels.length, falseNegatives, falsePositives)}`;
  }
  at("summary").textContent = summary;
  at("shown").alt = text("described")(found);
  at("facts").textContent = text("facts")(state.asked.name(), seen.width, seen.height, state.ms);
  at("legend").textContent = [seen.maps && text("legendMaps"), state.asked.truth && text("legendTruth")].filter(Boolean).join(" ");
  const own = seen.answers.map((label) => label.threshold);
  const same = own.every((threshold) => threshold === own[0]);
  at("threshold").value = state.threshold ?? (same ? own[0] : 0.5);
  at("threshold-value").textContent =
    state.threshold === null && !same ? text("ownValue") : Number(at("threshold").value).toFixed(2);
  at("own").disabled = state.threshold === null;
}

// Draws where the model sees a label over the image; `null` draws nothing.
function heat(place) {
  const canvas = at("heat");
  const maps = state.answer && state.answer.pictures[0].maps;
  canvas.hidden = place === null || !maps;
  if (canvas.hidden) return;
  const { rows, columns, values, area = { left: 0, top: 0, width: 1, height: 1 } } = maps;
  const cells = values[place];
  const peak = Math.max(0.2, ...cells);
  const small = new OffscreenCanvas(columns, rows);
  const pixels = new ImageData(columns, rows);
  cells.forEach((value, cell) => {
    pixels.data.set([255, 92, 0, Math.round((230 * value) / peak)], 4 * cell);
  });
  small.getContext("2d").putImageData(pixels, 0, 0);
  // The image is fitted into its box; so is its map.
  const image = at("shown");
  const scale = window.devicePixelRatio || 1;
  const [width, height] = [image.clientWidth, image.clientHeight];
  canvas.width = width * scale;
  canvas.height = height * scale;
  const fit = Math.min(width / image.naturalWidth, height / image.naturalHeight) * scale;
  const [w, h] = [image.naturalWidth * fit, image.naturalHeight * fit];
  const context = canvas.getContext("2d");
  context.fillStyle = "rgb(0 0 0 / 45%)";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  // The network may have seen a part of the image, or more than it.
  const [left, top] = [(canvas.width - w) / 2, (canvas.height - h) / 2];
  context.beginPath();
  context.rect(left, top, w, h);
  context.clip();
  context.drawImage(small, left + area.left * w, top + area.top * h, area.width * w, area.height * h);
}

async function copy(words) {
  let done = false;
  try {
    await navigator.clipboard.writeText(words);
    done = true;
  } catch {
    // Not every page may use the clipboard directly (plain HTTP from another machine).
    const area = document.createElement("textarea");
    area.value = words;
    area.className = "unseen";
    document.body.append(area);
    area.select();
    done = document.execCommand("copy");
    area.remove();
  }
  at("copied").textContent = text(done ? "copied" : "notCopied");
}

function asJson() {
  const { maps, ...seen } = state.answer.pictures[0];
  const labels = predicted();
  seen.answers = seen.answers.map((label, place) => ({
    ...label,
    threshold: state.threshold ?? label.threshold,
    found: labels[place].found,
  }));
  return JSON.stringify({ model: state.answer.model, pictures: [seen] }, null, 2);
}

function asCurl() {
  const query = new URLSearchParams({ model: state.model });
  if (state.threshold !== null) query.set("threshold", state.threshold);
  const ending = /\.[a-z0-9]+$/i.exec(state.asked.blob.name || "");
  const file = `image${ending ? ending[0] : ".png"}`;
  const token = state.token ? "-H 'Authorization: Bearer TOKEN' " : "";
  return `curl ${token}--data-binary @${file} '${new URL(`predict?${query}`, location.href)}'`;
}

function listen() {
  at("language").addEventListener("click", () => speak(state.language === "ko" ? "en" : "ko"));
  at("model").addEventListener("change", () => choose(at("model").value));
  at("sample").addEventListener("click", compose);
  at("file").addEventListener("change", () => {
    const file = at("file").files[0];
    take(file, () => file.name);
    at("file").value = "";
  });
  at("shown").addEventListener("error", () => {
    at("shown").alt = text("noPreview");
  });
  at("threshold").addEventListener("input", () => {
    state.threshold = Number(at("threshold").value);
    draw();
  });
  at("own").addEventListener("click", () => {
    state.threshold = null;
    draw();
    at("threshold").focus();
  });
  at("copy-json").addEventListener("click", () => copy(asJson()));
  at("copy-curl").addEventListener("click", () => copy(asCurl()));
  at("token-form").addEventListener("submit", (event) => {
    event.preventDefault();
    state.token = at("token").value.trim();
    start().catch(complain);
  });
  document.addEventListener("paste", (event) => {
    const file = [...event.clipboardData.files][0];
    if (file) take(file, () => text("pasted"));
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    at("stage").classList.add("over");
  });
  document.addEventListener("dragleave", () => at("stage").classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    at("stage").classList.remove("over");
    const file = event.dataTransfer.files[0];
    take(file, () => file.name);
  });
  window.addEventListener("resize", () => heat(state.pinned));
}

listen();
speak(remembered() || (navigator.language.startsWith("ko") ? "ko" : "en"));
start().catch(complain);
