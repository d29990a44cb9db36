import type { Played } from "./play.ts";
import { codesOf, compare, type Reply, splitReplies } from "./replies.ts";
import type { Sequence } from "./sequences.ts";

export type Grade = "exact" | "lenient" | "not_offered" | "accepted_bad" | "rejected_good" | "wrong_answer" | "death";
export type Graded = { grade: Grade; why: string };

/** Grades one played sequence (README of the data): the recorded bytes are one legal answer among several. */
export function grade(sequence: Sequence, played: Played): Graded {
  const strict = gradeAgainstBroker(sequence, played);
  if (strict.grade === "exact" || strict.grade === "lenient") return strict;
  const clause = notOffered(sequence, played);
  return clause === undefined ? strict : { grade: "not_offered", why: clause };
}

function gradeAgainstBroker(sequence: Sequence, { replies, ended }: Played): Graded {
  const expected = expectedReplies(sequence);
  const closed = ended !== "open";
  if (sequence.endsClosed && !closed) return { grade: "accepted_bad", why: `still open; answered ${shown(replies)}` };
  if (sequence.endsClosed && ended === "mute") return { grade: "accepted_bad", why: "never closed" };
  if (!sequence.endsClosed && closed) return { grade: "rejected_good", why: `closed; answered ${shown(replies)}` };
  return sequence.endsClosed
    ? gradeRefusal(expected, replies, sequence.version)
    : gradeAnswers(expected, replies, sequence.version);
}

/** A refusal is exact with the recorded bytes, and lenient in any other form, as long as what came before it was answered well. */
function gradeRefusal(expected: Reply[], replies: Reply[], version: number): Graded {
  const same =
    expected.length === replies.length &&
    expected.every((reply, i) => replies[i] && compare(reply, replies[i], version) === "exact");
  return same ? { grade: "exact", why: "" } : { grade: "lenient", why: `closed after ${shown(replies)}` };
}

function gradeAnswers(expected: Reply[], replies: Reply[], version: number): Graded {
  if (expected.length !== replies.length) return { grade: "wrong_answer", why: `${shown(replies)} instead of ${shown(expected)}` };
  const likenesses = expected.map((reply, i) => (replies[i] ? compare(reply, replies[i], version) : "different"));
  if (likenesses.includes("different")) return { grade: "wrong_answer", why: `${shown(replies)} instead of ${shown(expected)}` };
  return likenesses.includes("lenient") ? { grade: "lenient", why: shown(replies) } : { grade: "exact", why: "" };
}

type Rule = { clause: string; applies(sequence: Sequence): boolean; answered(sequence: Sequence, played: Played): boolean };

/** What this endpoint leaves out, the clause that lets it, and the one answer that then is right. Anything else stays a fault. */
const rules: Rule[] = [
  {
    clause: "MQTT 3.1 (M1; a server may refuse a protocol level, MQTT-3.1.2-2)",
    applies: ({ version, steps }) => version === 3 || steps.some((step) => step.is === "send" && step.bytes.includes("MQIsdp")),
    answered: (_, { replies, ended }) => ended !== "open" && replies.every(({ type, body }) => type === 2 && body[1] === 1),
  },
  {
    clause: "QoS 2 upwards (M6; Maximum QoS, MQTT-3.2.2-11; 3.1.1 by closing)",
    applies: (sequence) => sends(sequence, ({ type, bytes }) => type === 3 && ((bytes[0] ?? 0) & 6) === 4),
    answered: ({ version }, { replies, ended }) => ended !== "open" && (version !== 5 || saysGoodbye(replies, 0x9b)),
  },
  {
    clause: "retained messages (M7; Retain Available, MQTT-3.2.2-14)",
    applies: (sequence) =>
      sequence.version === 5 && sends(sequence, ({ type, bytes }) => type === 3 && ((bytes[0] ?? 0) & 1) === 1),
    answered: (_, { replies, ended }) => ended !== "open" && saysGoodbye(replies, 0x9a),
  },
  {
    clause: "QoS 2 downwards (M6; a lower QoS may be granted, MQTT-3.8.4-8)",
    applies: ({ steps }) => steps.some((step) => step.is === "publish_from_elsewhere" && step.qos === 2),
    answered: (_, { replies }) => replies.some(({ type, bytes }) => type === 3 && ((bytes[0] ?? 0) & 6) === 2),
  },
  {
    clause: "$SYS and shared subscriptions (M8; SUBACK with 0x80, 0x87 or 0x9E, MQTT-3.8.4-6)",
    applies: (sequence) => sends(sequence, ({ type, bytes }) => type === 8 && /\$SYS|\$share/.test(bytes.toString("latin1"))),
    answered: ({ version }, { replies, ended }) =>
      ended === "open" && replies.some((reply) => reply.type === 9 && codesOf(reply, version).some((code) => code >= 0x80)),
  },
  {
    clause: "messages from one device to another, or to itself (M9: no routing)",
    applies: (sequence) => expectedReplies(sequence).some(({ type }) => type === 3) && sends(sequence, ({ type }) => type === 3),
    answered: (sequence, { replies, ended }) => {
      const others = expectedReplies(sequence).filter(({ type }) => type !== 3);
      return (
        ended === "open" &&
        others.length === replies.length &&
        others.every((reply, i) => replies[i] && compare(reply, replies[i], sequence.version) !== "different")
      );
    },
  },
];

const notOffered = (sequence: Sequence, played: Played): string | undefined =>
  rules.find((rule) => rule.applies(sequence) && rule.answered(sequence, played))?.clause;

const sends = ({ steps }: Sequence, test: (packet: Reply) => boolean): boolean =>
  steps.some((step) => step.is === "send" && splitReplies(step.bytes).replies.some(test));
const saysGoodbye = (replies: Reply[], reason: number): boolean =>
  replies.some(({ type, body }) => type === 14 && body[0] === reason);
const expectedReplies = ({ steps }: Sequence): Reply[] =>
  steps.flatMap((step) => (step.is === "receive" ? splitReplies(step.bytes).replies : []));
const shown = (replies: Reply[]): string =>
  replies.map(({ bytes }) => bytes.subarray(0, 12).toString("hex")).join(" ") || "nothing";
