// The formats of strings, as regular expressions. All that they match is valid by the format's
// definition; where the definition leaves many ways to write the same, they match the usual one.
// Knows nothing of schemas.

const OCTET = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
const IPV4 = `${OCTET}(?:\\.${OCTET}){3}`;
const HEX = "[0-9a-f]{1,4}";

/** RFC 3339; the 29th of February in leap years only. */
const DATE = "(?:\\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])"
  + "|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)|02-(?:0[1-9]|1\\d|2[0-8]))"
  + "|(?:\\d\\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)";
/** RFC 3339 without leap seconds, of which nobody knows the next. */
const TIME = "(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d{1,9})?"
  + "(?:Z|[+-](?:[01]\\d|2[0-3]):[0-5]\\d)";

/** RFC 3339, appendix A: units in descending order, and none left out between two. */
const COUNT = "\\d{1,9}";
const CLOCK = `T(?:${COUNT}H(?:${COUNT}M(?:${COUNT}S)?)?|${COUNT}M(?:${COUNT}S)?|${COUNT}S)`;
const DAYS = `${COUNT}Y(?:${COUNT}M(?:${COUNT}D)?)?|${COUNT}M(?:${COUNT}D)?|${COUNT}D`;
const DURATION = `P(?:(?:${DAYS})(?:${CLOCK})?|${CLOCK}|${COUNT}W)`;

/** At most 49 of 63 characters; no two hyphens in a row, which are kept for other alphabets. */
const LABEL = "[A-Za-z0-9](?:-?[A-Za-z0-9]){0,24}";
/** Up to four labels are always below the limit of 253 characters. */
const HOSTNAME = `${LABEL}(?:\\.${LABEL}){0,3}`;

const ATOM = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,15}";
/** Up to three atoms are below the limit of 64 characters, and all below that of 254. */
const EMAIL = `${ATOM}(?:\\.${ATOM}){0,2}@${LABEL}(?:\\.${LABEL}){1,3}`;

/** Eight groups, or fewer around one `::`, by how many stand before it. */
const IPV6 = [
  `(?:${HEX}:){7}${HEX}`,
  ...[0, 1, 2, 3, 4, 5, 6].map((before) => (
    `${before === 0 ? "" : `${HEX}(?::${HEX}){${before - 1}}`}::`
    + `(?:${HEX}(?::${HEX}){0,${6 - before}})?`).replace("{0,0}", "{0}")),
  `${HEX}(?::${HEX}){6}::`,
].join("|");

const UNRESERVED = "[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-F]{2}";
/** With an authority, since a scheme alone is what a model seldom means. */
const URI = `[a-z][a-z0-9+.-]*://(?:${LABEL}(?:\\.${LABEL})*|${IPV4})(?::\\d{1,5})?`
  + `(?:/(?:${UNRESERVED})*)*(?:\\?(?:${UNRESERVED}|[/?])*)?(?:#(?:${UNRESERVED}|[/?])*)?`;

export const FORMATS: ReadonlyMap<string, string> = new Map([
  ["date", `^(?:${DATE})$`],
  ["time", `^(?:${TIME})$`],
  ["date-time", `^(?:${DATE})T(?:${TIME})$`],
  ["duration", `^(?:${DURATION})$`],
  ["hostname", `^(?:${HOSTNAME})$`],
  ["email", `^(?:${EMAIL})$`],
  ["uuid", "^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$"],
  ["ipv4", `^(?:${IPV4})$`],
  ["ipv6", `^(?:${IPV6})$`],
  ["uri", `^(?:${URI})$`],
]);
