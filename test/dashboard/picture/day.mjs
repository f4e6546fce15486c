// SPDX-License-Identifier: BSD-2-Clause
// A made-up day of three hosts, as the metrics that their utmpds would have written.

export const end = Date.UTC(2026, 10, 27, 17, 40) / 1000;
export const start = end - 24 * 3600;

const states = ["asked", "watched", "unwatched", "dying", "left", "marked"];
const reasons = ["nameless", "display", "hidden", "foreign", "dry run"];
const minute = 60;
const day = 24 * 3600;
const at = (hour, min = 0) => end - ((end - hour * 3600 - min * 60) % day); // when it was that late last, in UTC

// logins is how many people log in by the hour of the day at work, killed the share of
// sessions that end without a logout, and left the sessions in doubt, by reason.
const hosts = [
  {
    name: "shell.example.org", seed: 3, logins: 40, killed: 0.25, started: end - 12.4 * day, crash: [end - 41.2 * day, end - 41.19 * day],
    locked: [at(13, 40), at(14, 25)],
    left: (t) => ({ nameless: t > at(9, 12) && t < at(11, 3) ? 1 : 0 }),
  },
  {
    name: "build.example.org", seed: 8, logins: 4, killed: 0.15, started: end - 30.1 * day,
    crash: [at(3, 11), at(3, 20)], down: [at(3, 12), at(3, 21)],
    left: () => ({}),
  },
  {
    name: "lab.example.org", seed: 5, logins: 6, killed: 0.2, started: end - 5.9 * day,
    left: (t) => ({ display: t > at(22, 30) || t < at(8) ? 1 : 0, hidden: t < at(10, 20) ? 0 : t < at(12, 5) ? 2 : t < at(15, 45) ? 4 : 3 }),
  },
];

export function openMetrics() {
  return hosts.flatMap(dayOf).concat("# EOF\n").join("\n");
}

// dayOf goes through the day of a host, minute by minute; it begins two hours early.
function dayOf(host) {
  const random = generator(host.seed);
  const lines = [];
  let began = host.started;
  let cleaned = 0, logouts = 0, delays = 0, owed = 0, scans = 0, lastClean = 0, sessions = 0;
  for (let t = start - 2 * 3600; t <= end; t += minute) {
    if (host.down && t >= host.down[0] && t < host.down[1]) {
      [sessions, cleaned, logouts, delays, scans, lastClean, began] = [0, 0, 0, 0, 0, 0, host.down[1] - 20];
      continue;
    }
    const locked = host.locked && t >= host.locked[0] && t < host.locked[1];
    const came = count(random, (host.logins * busy(t)) / 60);
    const went = Math.min(sessions, count(random, sessions / 150));
    const killed = Array.from({ length: went }).filter(() => random() < host.killed).length;
    sessions += came - went;
    cleaned += killed;
    if (killed > 0) lastClean = t - 7;
    owed += killed;
    if (locked) delays += killed > 0 ? 3 + killed : owed > 0 ? 1 : 0;
    else [logouts, owed] = [logouts + owed, 0];
    scans += came + went > 0 ? 1 : 0.2;

    const left = host.left(t);
    const doubt = reasons.reduce((sum, r) => sum + (left[r] ?? 0), 0);
    const dying = killed > 0 && random() < 0.2 ? 1 : 0;
    const by = { watched: sessions, dying, left: doubt };
    const put = (name, v, labels = "") =>
      lines.push(`${name}{instance="${host.name}:9100",job="node"${labels}} ${v} ${t}`);
    put("utmpd_up", 1);
    put("utmpd_written_timestamp_seconds", t - 4);
    put("utmpd_valid_until_timestamp_seconds", t + 326);
    put("utmpd_start_timestamp_seconds", began);
    put("utmpd_build_info", 1, `,version="0.1.0"`);
    for (const s of states) put("utmpd_sessions", by[s] ?? 0, `,state="${s}"`);
    for (const r of reasons) put("utmpd_sessions_left", left[r] ?? 0, `,reason="${r}"`);
    put("utmpd_logouts_owed", owed);
    put("utmpd_logouts_waiting", 0);
    for (const f of ["utmpx", "wtmpx"]) put("utmpd_file_hangs", 0, `,file="${f}"`);
    put("utmpd_late_operations", 0);
    put("utmpd_utmpx_readable", 1);
    put("utmpd_cleaned_total", cleaned);
    put("utmpd_logouts_written_total", logouts);
    put("utmpd_clean_delays_total", delays, `,cause="locked"`);
    put("utmpd_clean_delays_total", 0, `,cause="failed"`);
    put("utmpd_scans_total", Math.floor(scans));
    put("utmpd_last_heartbeat_timestamp_seconds", t - 4);
    if (lastClean > 0) put("utmpd_last_clean_timestamp_seconds", lastClean);
    if (host.crash && t >= host.crash[1]) {
      put("utmpd_last_crash_timestamp_seconds", host.crash[0], `,bound="earliest"`);
      put("utmpd_last_crash_timestamp_seconds", host.crash[1], `,bound="latest"`);
    }
  }
  return lines;
}

// busy is how much of the people come in at t, compared with the middle of the morning.
function busy(t) {
  const hour = (t % day) / 3600;
  return 0.06 + Math.exp(-(((hour - 9.5) / 2) ** 2)) + 0.7 * Math.exp(-(((hour - 14.5) / 2.2) ** 2));
}

// count draws from a Poisson distribution.
function count(random, mean) {
  let n = 0;
  for (let p = random(); p > Math.exp(-mean); p *= random()) n++;
  return n;
}

// generator returns mulberry32, so that each picture shows the same day.
function generator(a) {
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
