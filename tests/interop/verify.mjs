// Verifies the receipts in a JSON array of {"name", "receipt"} on stdin, such as tests/vectors/receipts/receipts.json.
// Prints one line of JSON: the names of those that hold.

import './older-node.mjs'
import { json } from 'node:stream/consumers'
import { verifyReceipt } from './signatures.mjs'

function holds ({ receipt }) {
  try {
    verifyReceipt(receipt)
    return true
  } catch {
    return false
  }
}

console.log(JSON.stringify((await json(process.stdin)).filter(holds).map(({ name }) => name)))
