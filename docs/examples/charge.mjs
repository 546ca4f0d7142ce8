// Charge your customers' requests exactly once, whatever the network does. Node 18 or newer, no packages.
//
//     export COFFER=http://127.0.0.1:8000 KEY=cof_test_...   # a key with the scope wallet:charge
//     node charge.mjs 300 chat-api                           # 300 requests of the app chat-api
//
// The idempotency key makes a repeated call safe: Coffer charges once per key, for ever. So a call that got no answer
// is simply sent again with the same key.

import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

const { COFFER, KEY, ORG = "self" } = process.env;
const WALLET = `${COFFER}/api/v1/orgs/${ORG}/wallet`;
const PATIENCE_MS = 60_000;

/** The wallet, or the key's cap, does not cover this charge. Ask the customer to buy credits. */
class OutOfCredit extends Error {}

/** A call that cannot succeed, however often it is sent. */
class Refused extends Error {}

/** The transaction of this charge. Tries for a minute. */
async function charge(micros, description, { key, app }) {
  const body = JSON.stringify({ operation: "charge", amount_micros: micros, description, app });
  const headers = { Authorization: `Bearer ${KEY}`, "Content-Type": "application/json", "Idempotency-Key": key };
  const end = Date.now() + PATIENCE_MS;
  for (let tries = 0; ; tries++) {
    let pause = Math.min(4000, 50 * 2 ** tries) * (0.5 + Math.random() / 2);
    try {
      const answer = await fetch(WALLET, { method: "POST", headers, body, signal: AbortSignal.timeout(5000) });
      const text = await answer.text(); // it may break off, too
      if (answer.status === 201) return JSON.parse(text).transaction;
      const ours = (answer.headers.get("content-type") ?? "").includes("problem+json");
      const problem = ours ? JSON.parse(text) : {};
      if (answer.status === 402) throw new OutOfCredit(problem.detail);
      if (answer.status < 500 && ![408, 425, 429].includes(answer.status))
        throw new Refused(`${answer.status}: ${problem.detail} (${problem.request_id})`);
      const wanted = Number(answer.headers.get("retry-after") ?? 0) * 1000;
      pause = Math.max(pause, wanted * (1 + Math.random() * 0.3));
    } catch (error) {
      if (error instanceof OutOfCredit || error instanceof Refused) throw error;
      // No answer, or only a part of one: send it again.
    }
    if (Date.now() + pause > end) throw new Error(`Coffer did not answer for ${key}; the same key may be sent again later`);
    await sleep(pause);
  }
}

const [count, app] = [Number(process.argv[2]), process.argv[3]];
// Take the id of your own request, job or message as key: it outlives a crash of this program.
const keys = Array.from({ length: count }, () => `${app}-${randomUUID()}`);
const ids = new Set();
await Promise.all(
  Array.from({ length: 6 }, async () => {
    for (let key; (key = keys.pop()); ) ids.add((await charge(100, "One request", { key, app })).id);
  }),
);
console.log(`${count} requests, ${ids.size} charges`);
