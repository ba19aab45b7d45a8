// The authenticator app on somebody's phone: RFC 6238, written here once more and not taken from the product.
import { createHmac } from "node:crypto";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

function bytesOf(base32) {
  let bits = "";
  for (const letter of base32) bits += ALPHABET.indexOf(letter).toString(2).padStart(5, "0");
  return Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
}

export class Authenticator {
  constructor(key) {
    this.secret = bytesOf(key);
    this.step = Math.floor(Date.now() / 30_000);
  }

  /** The code of the step so many after the one of the set-up. */
  code(steps) {
    const counter = Buffer.alloc(8);
    counter.writeBigUInt64BE(BigInt(this.step + steps));
    const hash = createHmac("sha1", this.secret).update(counter).digest();
    const number = hash.readUInt32BE(hash[19] & 15) & 0x7fffffff;
    return String(number % 1_000_000).padStart(6, "0");
  }

  /** A code of no step near. */
  wrong() {
    const near = [-3, -2, -1, 0, 1, 2, 3, 4].map((steps) => this.code(steps));
    return ["123456", "234567", "345678", "456789", "567890", "678901", "789012", "890123", "901234"].find((code) => !near.includes(code));
  }
}
