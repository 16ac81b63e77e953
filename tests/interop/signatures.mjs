// What nodes sign: capability records and receipts.  The key is inside the peer id.

import assert from 'node:assert/strict'
import { peerIdFromString } from '@libp2p/peer-id'
import { ed25519 } from '@noble/curves/ed25519.js'
import { decodeStrictly } from './messages.mjs'

const CAPABILITY_TYPE = 'application/vnd.plasm.capability+cbor'
const CLOCK_SKEW_S = 5 * 60
const STATEMENT_TYPE = 'application/vnd.in-toto+json'

// As RFC 8032 verifies, and without keys of small order: for these one signature fits every message.
const STRICTLY = { zip215: false }

// Throws unless `peer` signed `payload`.
function checkSignature (peer, payloadType, payload, signature) {
  const key = peerIdFromString(peer).publicKey.raw
  const head = `DSSEv1 ${payloadType.length} ${payloadType} ${payload.length} `
  const encoded = Buffer.concat([Buffer.from(head), payload])
  assert(ed25519.verify(signature, encoded, key, STRICTLY), `not signed by ${peer}`)
}

// The capability record in a message of /plasm/info/1, if `peer` signed it and it holds now.
export function verifyCapability ({ payload, signature, ...others }, peer) {
  assert.deepEqual(others, {})
  checkSignature(peer, CAPABILITY_TYPE, payload, signature)
  const record = decodeStrictly(payload)
  assert.equal(record.peer, peer, 'a record about another peer')
  const now = Date.now() / 1000
  assert(record.issued_at - CLOCK_SKEW_S <= now && now <= record.expires_at + CLOCK_SKEW_S, 'a record out of date')
  return record
}

// The statement in a receipt (its DSSE envelope as JSON), if the node that it names signed it.
export function verifyReceipt (envelope) {
  const { payload, payloadType, signatures: [{ keyid, sig }, ...others] } = JSON.parse(envelope)
  assert.equal(payloadType, STATEMENT_TYPE)
  assert.equal(others.length, 0, 'more than one signature')
  const statement = Buffer.from(payload, 'base64')
  checkSignature(keyid, payloadType, statement, Buffer.from(sig, 'base64'))
  const document = JSON.parse(statement)
  assert.equal(document.predicate.node.peerId, keyid, 'another node signed than the one that is named')
  return document
}
