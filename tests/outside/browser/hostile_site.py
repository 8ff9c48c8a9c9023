"""A web site that wants forms signed by a proxy on its visitor's machine, and to read the answers."""

import http.server
import threading

ATTACKER = "attacker.example"
# the proxy by a name of its own: no browser trusts a URL with http and such a name, and sends it no `Sec-Fetch-` fields
SIDECAR = "sidecar.internal"
FORM = "Action=ListJobs&JobId=HOSTILE"

# A request behind a request: what follows the head would be a call of its own, without any mark of the page it came
# from, if the proxy refused the head and then read on.
HIDDEN = (
    "POST / HTTP/1.1\\r\\nHost: TARGET\\r\\nContent-Type: application/x-www-form-urlencoded\\r\\n"
    f"Content-Length: {len(FORM)}\\r\\n\\r\\n{FORM}"
)

# What every page has. `seen` is a promise of what the page could read of the answer: null for nothing.
COMMON = """
const target = "http://TARGET/", form = "%(form)s", hidden = `%(hidden)s`;
const urlencoded = "application/x-www-form-urlencoded";
const read = (request) => request.then((answer) => answer.text()).then((text) => text || null, () => null);

function build(enctype, destination) {
  const element = document.body.appendChild(document.createElement("form"));
  Object.assign(element, {method: "POST", action: target, enctype, target: destination});
  for (const pair of new URLSearchParams(form)) {
    const field = element.appendChild(document.createElement("input"));
    [field.name, field.value] = pair;
  }
  return element;
}

function framed(attributes, start) {
  return new Promise((resolve) => {
    const frame = Object.assign(document.createElement("iframe"), attributes);
    document.body.append(frame);
    frame.onload = () => {
      // the frame's own empty document is not the answer
      let url = null, text = null;
      try { url = frame.contentWindow.location.href; text = frame.contentDocument.body.textContent; } catch {}
      if (url !== "about:blank") resolve(text || null);
    };
    start?.();
  });
}

const submitted = (enctype, change) => framed({name: "answer"}, () => {
  const element = build(enctype, "answer");
  change?.(element);
  element.submit();
});

function xhr(method, body, change) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open(method, target);
    change?.(request);
    request.onloadend = () => resolve(request.responseText || null);
    request.send(body);
  });
}

const element = (name, attributes) => new Promise((resolve) => {
  const made = Object.assign(document.createElement(name), attributes);
  made.onload = () => resolve("loaded");
  made.onerror = () => resolve(null);
  document.body.append(made);
});
""" % {"form": FORM, "hidden": HIDDEN}

# What a page does, by name; each is a promise of what it could read.
SCRIPTS = {
    "a form": "submitted(urlencoded)",
    "a form of plain text": "submitted('text/plain')",
    "a form in parts": "submitted('multipart/form-data')",
    "a form with the method GET": "submitted(urlencoded, (element) => { element.method = 'GET'; })",
    "a form that hides a request in its text": """submitted('text/plain', (element) => {
        const text = element.appendChild(document.createElement('textarea'));
        text.name = 'text';
        text.value = '\\r\\n' + hidden;
    })""",
    "a form that takes the whole tab": "(build(urlencoded, '_self').submit(), null)",
    "a form without a referrer": """(document.head.append(Object.assign(document.createElement('meta'),
        {name: 'referrer', content: 'no-referrer'})), submitted(urlencoded))""",
    "a form that is redirected with its body": "submitted(urlencoded, (element) => { element.action = '/redirect'; })",
    "a form in a sandbox": """framed({sandbox: 'allow-scripts allow-forms', srcdoc:
        `<form method=POST action="${target}"><input name=Action value=ListJobs></form>` +
        '<script>document.forms[0].submit()</' + 'script>'})""",
    "a fetch without CORS": """read(fetch(target, {method: 'POST', mode: 'no-cors', body: form,
        headers: {'Content-Type': urlencoded}}))""",
    "a fetch with CORS but no preflight": """read(fetch(target, {method: 'POST', mode: 'cors', body: form,
        headers: {'Content-Type': urlencoded}}))""",
    "a fetch with its credentials": """read(fetch(target, {method: 'POST', mode: 'no-cors', credentials: 'include',
        body: new URLSearchParams(form)}))""",
    "a fetch that outlives the page": """read(fetch(target, {method: 'POST', mode: 'no-cors', keepalive: true,
        body: form, headers: {'Content-Type': urlencoded}}))""",
    "a fetch without a referrer": """read(fetch(target, {method: 'POST', mode: 'no-cors', body: form,
        referrerPolicy: 'no-referrer', headers: {'Content-Type': urlencoded}}))""",
    "a fetch that hides a request in its body": """read(fetch(target, {method: 'POST', mode: 'no-cors', body: hidden,
        headers: {'Content-Type': 'text/plain'}}))""",
    "a fetch that asks for leave": """read(fetch(target, {method: 'POST', body: form,
        headers: {'Content-Type': urlencoded, 'X-Requested-With': 'XMLHttpRequest'}}))""",
    "a fetch of another method": "read(fetch(target, {method: 'PUT', body: form}))",
    "an XMLHttpRequest": """xhr('POST', form,
        (request) => request.setRequestHeader('Content-Type', urlencoded))""",
    "an XMLHttpRequest that asks for leave": """xhr('POST', form, (request) => {
        request.setRequestHeader('Content-Type', urlencoded);
        request.setRequestHeader('X-Custom', '1');
    })""",
    "an XMLHttpRequest with the method GET": "xhr('GET', null)",
    "a beacon": "(navigator.sendBeacon(target, new Blob([form], {type: urlencoded})), null)",
    "an image": "element('img', {src: target})",
    "a script": "element('script', {src: target})",
    "a style sheet": "element('link', {rel: 'stylesheet', href: target})",
    "a frame": "framed({src: target})",
    "an event source": """new Promise((resolve) => {
        const source = new EventSource(target);
        source.onmessage = (message) => resolve(message.data);
        source.onerror = () => { source.close(); resolve(null); };
    })""",
    "a WebSocket": """new Promise((resolve) => {
        const socket = new WebSocket(target.replace('http', 'ws'));
        socket.onopen = () => { socket.send(hidden); };
        socket.onmessage = (message) => resolve(message.data);
        socket.onclose = () => resolve(null);
    })""",
    "a worker": """new Promise((resolve) => {
        const code = `fetch("${target}", {method: 'POST', mode: 'no-cors', body: "${form}",
            headers: {'Content-Type': "${urlencoded}"}}).then((answer) => answer.text())
            .then((text) => postMessage(text || null), () => postMessage(null))`;
        new Worker(URL.createObjectURL(new Blob([code]))).onmessage = (message) => resolve(message.data);
    })""",
    "a service worker": """navigator.serviceWorker.register('/worker.js').then(() => navigator.serviceWorker.ready)
        .then((registration) => new Promise((resolve) => {
            const {port1, port2} = new MessageChannel();
            port1.onmessage = (message) => resolve(message.data);
            registration.active.postMessage({target, form, urlencoded}, [port2]);
        }))""",
}

# What a page does with a form in a URL, where a route takes forms in query strings.
QUERY_SCRIPTS = {
    "an image of a form": "element('img', {src: `${target}?${form}`})",
    "an image without a referrer": "element('img', {src: `${target}?${form}`, referrerPolicy: 'no-referrer'})",
    "a script of a form": "element('script', {src: `${target}?${form}`})",
    "a style sheet of a form": "element('link', {rel: 'stylesheet', href: `${target}?${form}`})",
    "a prefetch of a form": "element('link', {rel: 'prefetch', href: `${target}?${form}`})",
    "a video of a form": "element('video', {src: `${target}?${form}`})",
    "an object of a form": "element('object', {data: `${target}?${form}`})",
    "a frame of a form": "framed({src: `${target}?${form}`})",
    "a form that is got": "submitted(urlencoded, (element) => { element.method = 'GET'; })",
    "a form that is posted without fields": """submitted(urlencoded, (element) => {
        element.action = `${target}?${form}`;
        element.replaceChildren();
    })""",
    "a tab that goes there": "(setTimeout(() => { location.href = `${target}?${form}`; }), null)",
    "a fetch that gets": "read(fetch(`${target}?${form}`, {mode: 'no-cors', referrerPolicy: 'no-referrer'}))",
    "a fetch that gets as programs of Node.js do": """read(fetch(`${target}?${form}`, {mode: 'no-cors',
        referrerPolicy: 'no-referrer', headers: {'Accept-Language': '*'}}))""",
    "a fetch that gets in no language": """read(fetch(`${target}?${form}`, {mode: 'no-cors',
        referrerPolicy: 'no-referrer', headers: {'Accept-Language': ''}}))""",
    "a fetch that posts nothing": "read(fetch(`${target}?${form}`, {method: 'POST', mode: 'no-cors'}))",
    "an XMLHttpRequest that gets": """new Promise((resolve) => {
        const request = new XMLHttpRequest();
        request.open('GET', `${target}?${form}`);
        request.onloadend = () => resolve(request.responseText || null);
        request.send();
    })""",
    "a beacon of nothing": "(navigator.sendBeacon(`${target}?${form}`), null)",
    "an event source of a form": """new Promise((resolve) => {
        const source = new EventSource(`${target}?${form}`);
        source.onmessage = (message) => resolve(message.data);
        source.onerror = () => { source.close(); resolve(null); };
    })""",
}

SERVICE_WORKER = """
addEventListener("message", (message) => {
  const {target, form, urlencoded} = message.data;
  fetch(target, {method: "POST", mode: "no-cors", body: form, headers: {"Content-Type": urlencoded}})
    .then((answer) => answer.text())
    .then((text) => message.ports[0].postMessage(text || null), () => message.ports[0].postMessage(null));
});
"""


def path_of(name):
    return "/attack/" + name.replace(" ", "-")


class HostileSite:
    """The site, from construction until `close`. It wants what `target`, a host with a port, would sign."""

    def __init__(self):
        self.target = None
        self._paths = {path_of(name): script for name, script in (SCRIPTS | QUERY_SCRIPTS).items()}
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads, self._server.block_on_close = True, False
        self._server.site = self
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def page(self, path):
        """The page that does what the path names, as soon as it is loaded."""
        script = f"{COMMON}\nwindow.seen = Promise.resolve({self._paths[path]});".replace("TARGET", self.target)
        return f"<!doctype html><title>Hostile</title><body><script>{script}</script>".encode()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    timeout = 20  # seconds

    def do_GET(self):
        if self.path == "/worker.js":
            self._answer(200, SERVICE_WORKER.encode(), {"Content-Type": "text/javascript"})
        elif self.path.startswith("/attack/"):
            self._answer(200, self.server.site.page(self.path), {"Content-Type": "text/html"})
        else:
            self._answer(404)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.path != "/redirect":
            self._answer(404)
            return
        # 307: the same method and the same body, elsewhere
        self._answer(307, b"", {"Location": f"http://{self.server.site.target}/"})

    def _answer(self, status, body=b"", fields=()):
        self.send_response(status)
        for name, value in {**dict(fields), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        """What matters came to the proxy."""
