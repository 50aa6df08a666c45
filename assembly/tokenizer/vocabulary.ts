// A vocabulary's way out of the header: checked when a file is opened, laid out when memory is
// planned. Knows nothing of how text is cut.

import { isPooled } from "../config";
import * as errors from "../errors";
import { failAbout } from "../errors";
import { isMeasuring } from "../plan";
import { layoutJoins } from "./joins";
import { layoutMerges } from "./merges";
import { KIND_BPE, KIND_BYTE, kind, readSettings } from "./settings";
import { layoutSpecials } from "./specials";
import { byteToken, checkTokens, layoutTokens } from "./tokens";
import { layoutUnicode } from "./unicode";

/** Decides the kind of tokenizer and checks what it needs. */
export function checkVocabulary(): i32 {
  const status = readSettings();
  return status < 0 ? status : checkTokens();
}

/** Reserves the tables, and fills them when placing. */
export function layoutVocabulary(): i32 {
  let status = layoutTokens();
  if (status < 0) return status;
  layoutSpecials();
  status = layoutMerges();
  if (status < 0) return status;
  layoutJoins();
  if (kind == KIND_BPE) layoutUnicode();
  return isPooled && !isMeasuring() ? checkByteOrder() : errors.OK;
}

/** Patches are read off token ids, so a byte's id must be the byte. */
function checkByteOrder(): i32 {
  for (let byte: i32 = 0; byte < 256; byte++) {
    if (kind != KIND_BYTE || byteToken(<u8>byte) != byte) {
      return failAbout(errors.BAD_VOCABULARY,
        "a byte-pooled model needs the 256 bytes, in order, as its first tokens", byte);
    }
  }
  return errors.OK;
}
