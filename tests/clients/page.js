// What a browser does with a server, one check after the other. The report goes to the address that
// `?report=` names: one JSON object, name of the check to "ok" or what was seen instead.
"use strict";

const kMegabyte = 1000000;

function equal(seen, expected) {
  const [a, b] = [JSON.stringify(seen), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${a.slice(0, 200)} instead of ${b.slice(0, 200)}`);
}

function event(target, name) {
  return new Promise((resolve, reject) => {
    target.addEventListener(name, resolve, {once: true});
    if (name !== "error") target.addEventListener("error", () => reject(new Error("error event")), {once: true});
  });
}

function octets(size) {
  const data = new Uint8Array(size);
  for (let i = 0; i < size; ++i) data[i] = (i * 7 + (i >> 8)) & 0xff;
  return data;
}

const checks = {
  async image() {
    const image = document.getElementById("image");
    if (!image.complete) await event(image, "load");
    equal([image.naturalWidth, image.naturalHeight], [64, 32]);
  },

  async formSubmitted() {
    const form = document.getElementById("form");
    const files = new DataTransfer();
    files.items.add(new File(["first\r\nsecond"], "ä \"quoted\".txt", {type: "text/plain"}));
    form.elements.f.files = files.files;
    const frame = document.querySelector("iframe");
    const loaded = event(frame, "load");
    form.submit();
    await loaded;
    const answer = JSON.parse(frame.contentDocument.body.innerText);
    equal(answer.args, {title: ["zwölf & = +"]});
    equal(answer.files.f[0].slice(1), ["first\r\nsecond", "text/plain"]);
  },

  async formDataOfAMegabyte() {
    const form = new FormData();
    const data = octets(kMegabyte);
    form.append("f", new Blob([data]), "large.bin");
    form.append("name", "value");
    const answer = await (await fetch("/multipart", {method: "POST", body: form})).json();
    equal(answer.args, {name: ["value"]});
    const text = answer.files.f[0][1];
    equal(text.length, data.length);
    for (let i = 0; i < data.length; ++i) {
      if (text.charCodeAt(i) !== data[i]) throw new Error(`octet ${i} differs`);
    }
  },

  async urlencodedForm() {
    const body = new URLSearchParams({b: "ü &=+"});
    equal(await (await fetch("/echo?a=1", {method: "POST", body})).json(), {a: ["1"], b: ["ü &=+"]});
  },

  async putWithProgress() {
    const request = new XMLHttpRequest();
    let sent = 0;
    request.upload.onprogress = (progress) => { sent = progress.loaded; };
    request.open("PUT", "/streaming");
    const loaded = event(request, "load");
    request.send(octets(kMegabyte));
    await loaded;
    equal([request.status, request.responseText, sent], [200, String(kMegabyte), kMegabyte]);
  },

  async parallel() {
    const asked = Array.from({length: 100}, (_, i) => fetch(`/echo?i=${i}`).then((answer) => answer.json()));
    (await Promise.all(asked)).forEach((answer, i) => equal(answer, {i: [String(i)]}));
  },

  async eventsAndReconnection() {
    const source = new EventSource("/events");
    const seen = [];
    let opened = 0;
    source.onopen = () => { ++opened; };
    await new Promise((resolve) => {
      source.onmessage = (message) => {
        seen.push(message.data);
        if (seen.length === 6) resolve();
      };
    });
    source.close();
    equal(seen, ["event 1", "event 2", "event 3", "event 1", "event 2", "event 3"]);
    equal(opened, 2);
  },

  async rangesOfMedia() {
    const audio = document.getElementById("audio");
    if (audio.readyState < HTMLMediaElement.HAVE_METADATA) await event(audio, "loadedmetadata");
    equal(Math.round(audio.duration), 60);
    const seeked = event(audio, "seeked");
    audio.currentTime = 55;
    await seeked;
    equal(Math.round(audio.currentTime), 55);
  },

  async rangeByHand() {
    const part = await fetch("audio.wav", {headers: {Range: "bytes=8-11"}, cache: "no-store"});
    equal([part.status, await part.text()], [206, "WAVE"]);
  },

  async notModified() {
    const first = await fetch("page.js");
    await first.text();
    const again = await fetch("page.js", {cache: "no-cache"});
    // The browser makes a 200 out of the 304; the relay has seen it.
    equal([again.status, (await again.text()).length > 1000], [200, true]);
  },

  async compressed() {
    const answer = await fetch("/compressible");
    equal([answer.headers.get("Content-Encoding"), (await answer.text()).length], ["gzip", 1035]);
  },

  async piecesAsTheyCome() {
    const reader = (await fetch("/flush")).body.getReader();
    let text = "";
    for (let piece; !(piece = await reader.read()).done;) text += new TextDecoder().decode(piece.value);
    equal(text, "ok");
  },

  async givenUp() {
    const abort = new AbortController();
    const answer = await fetch("audio.wav?given-up", {signal: abort.signal, cache: "no-store"});
    await answer.body.getReader().read();
    abort.abort();
    equal(await (await fetch("/hello")).text(), "Hello world");
  },

  async headAndNoContent() {
    const head = await fetch("audio.wav", {method: "HEAD"});
    equal([head.headers.get("Content-Length"), (await head.text()).length], ["5292044", 0]);
    equal((await fetch("/s204")).status, 204);
  },

  async tooLarge() {
    const answer = await fetch("/streaming?expected_size=10", {method: "PUT", body: octets(100000)});
    equal(answer.status, 413);
    equal(await (await fetch("/hello")).text(), "Hello world");
  },

  async cookies() {
    await fetch("/set_cookie");
    equal(document.cookie.includes("str=asdf"), true);
    document.cookie = "foo=bar; path=/";
    equal(await (await fetch("/get_cookie")).text(), "bar");
  },

  async beacon() {
    equal(navigator.sendBeacon("/hello", "gone"), true);
  },
};

async function main() {
  const report = {};
  const late = (name) => new Promise((_, reject) => setTimeout(() => reject(new Error("no end")), 20000));
  for (const [name, check] of Object.entries(checks)) {
    try {
      await Promise.race([check(), late(name)]);
      report[name] = "ok";
    } catch (error) {
      report[name] = String(error);
    }
  }
  const to = new URLSearchParams(location.search).get("report");
  await fetch(to, {method: "POST", mode: "no-cors", body: JSON.stringify(report)});
}

main();
