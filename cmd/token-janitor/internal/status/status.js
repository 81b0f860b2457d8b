
// Keeps the page true to the server, and touches only what differs: focus, selection,
// scroll and what is folded open stay.
function become(a, b) {
  if (a.nodeType !== b.nodeType || a.nodeName !== b.nodeName) return a.replaceWith(b);
  if (a.nodeType !== Node.ELEMENT_NODE) { if (a.nodeValue !== b.nodeValue) a.nodeValue = b.nodeValue; return; }
  for (const {name} of [...a.attributes]) if (name !== "open" && !b.hasAttribute(name)) a.removeAttribute(name);
  for (const {name, value} of b.attributes) if (a.getAttribute(name) !== value) a.setAttribute(name, value);
  const now = [...a.childNodes], then = [...b.childNodes];
  then.forEach((node, i) => i < now.length ? become(now[i], node) : a.append(node));
  now.slice(then.length).forEach(node => node.remove());
}

const silent = document.getElementById("silent");
let heard = new Date();

async function refresh() {
  try {
    const answer = await fetch(location.href, {cache: "no-store", signal: AbortSignal.timeout(10000)});
    if (!answer.ok) throw new Error(answer.status);
    const then = new DOMParser().parseFromString(await answer.text(), "text/html");
    const main = then.querySelector("main");
    if (!main) throw new Error("no page");
    become(document.querySelector("main"), main);
    document.title = then.title;
    heard = new Date();
    silent.hidden = true;
  } catch (error) {
    // What is old must not pass for how it is.
    if (silent.hidden) silent.textContent = "No answer since " + heard.toLocaleTimeString() + ". What follows is how it was then.";
    silent.hidden = false;
  }
}

function wait() {
  const seconds = Number(document.querySelector("main").dataset.refresh);
  setTimeout(async () => { if (!document.hidden) await refresh(); wait(); }, seconds * 1000);
}

document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
wait();
