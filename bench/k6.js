// k6 against any gateway that speaks OpenAI's chat API:
//
//   BENCH_URL=http://127.0.0.1:8080 BENCH_KEY=... k6 run bench/k6.js
//
// Settings, all environment variables: BENCH_URL, BENCH_KEY, BENCH_MODEL, BENCH_STREAM_MODEL, BENCH_PATH,
// BENCH_JSON_USERS (default 32), BENCH_STREAM_USERS (default 8), BENCH_DURATION (default 30s), BENCH_BODY_BYTES.
// k6 reads a whole reply before it hands it over: for streams `http_req_waiting` is the time to the first byte and
// `http_req_duration` the whole stream; the time between events can't be seen with it.

import http from "k6/http";
import { check } from "k6";

const env = (name, fallback) => __ENV[name] || fallback;
const url = env("BENCH_URL", "http://127.0.0.1:8080") + env("BENCH_PATH", "/v1/chat/completions");
const model = env("BENCH_MODEL", "gpt-4o-mini");
const streamModel = env("BENCH_STREAM_MODEL", model);
const jsonUsers = Number(env("BENCH_JSON_USERS", "32"));
const streamUsers = Number(env("BENCH_STREAM_USERS", "8"));
const duration = env("BENCH_DURATION", "30s");

const headers = { "Content-Type": "application/json" };
if (env("BENCH_KEY", "")) {
  headers.Authorization = `Bearer ${env("BENCH_KEY")}`;
}

function body(name, stream) {
  const document = { model: name, messages: [{ role: "user", content: "" }], max_tokens: 256 };
  if (stream) {
    document.stream = true;
  }
  const words = "Explain how a token bucket admits a burst and then settles to its rate. ";
  const room = Math.max(words.length, Number(env("BENCH_BODY_BYTES", "1024")) - JSON.stringify(document).length);
  document.messages[0].content = words.repeat(Math.ceil(room / words.length)).slice(0, room);
  return JSON.stringify(document);
}

const jsonBody = body(model, false);
const streamBody = body(streamModel, true);

function scenario(users, exec) {
  return { executor: "constant-vus", vus: users, duration, exec };
}

const scenarios = {};
if (jsonUsers > 0) {
  scenarios.json = scenario(jsonUsers, "chatJson");
}
if (streamUsers > 0) {
  scenarios.stream = scenario(streamUsers, "chatStream");
}

export const options = {
  scenarios,
  summaryTrendStats: ["med", "p(99)", "p(99.9)", "max", "count"],
  thresholds: {
    checks: ["rate==1"],
    "http_req_duration{scenario:json}": [],
    "http_req_duration{scenario:stream}": [],
    "http_req_waiting{scenario:stream}": [],
  },
};

export function chatJson() {
  const reply = http.post(url, jsonBody, { headers });
  check(reply, {
    "json: status 200": (r) => r.status === 200,
    "json: an answer": (r) => r.status === 200 && r.json("choices.0.message") !== undefined,
  });
}

export function chatStream() {
  const reply = http.post(url, streamBody, { headers });
  check(reply, {
    "stream: status 200": (r) => r.status === 200,
    "stream: complete": (r) => r.status === 200 && r.body.includes("data: [DONE]"),
  });
}
