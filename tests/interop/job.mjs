// The client's end of /plasm/info/1 and /plasm/job/1, written from docs/mesh.md.

import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { Messages } from './messages.mjs'
import { verifyCapability, verifyReceipt } from './signatures.mjs'

const MAX_DATA_BYTES = 1_048_512
// Each message that a node sends has exactly these fields, and `type`.
const FIELDS = {
  accept: ['module_wanted', 'starts_in_ms'],
  reject: ['detail', 'reason'],
  output: ['data', 'stream'],
  progress: ['elapsed_ms', 'phase'],
  result: ['receipt'],
  failure: ['code', 'message']
}

// What the node at the other end of `connection` offers, signed by it.
export async function askForCapability (connection) {
  const stream = await connection.newStream('/plasm/info/1')
  const messages = new Messages(stream)
  await stream.close() // of our direction: there is nothing to say
  const record = verifyCapability(await messages.receive(), connection.remotePeer.toString())
  await messages.receiveEnd()
  return record
}

// Runs `module` at the other end of `connection`.  Resolves to its output and a statement about it that holds.
export async function submit (connection, module, args, stdin) {
  const stream = await connection.newStream('/plasm/job/1')
  const messages = new Messages(stream)
  const sent = { manifest: canonicalManifest(sha256(module), args), nonce: randomBytes(32).toString('hex') }
  await messages.send({
    type: 'offer',
    manifest: sent.manifest,
    module: sha256(module),
    module_size: module.length,
    nonce: sent.nonce,
    stdin: stdin !== undefined
  })
  const { module_wanted: moduleWanted } = await receive(messages, 'accept')
  if (moduleWanted) await sendData(messages, 'module', module)
  const [output] = await Promise.all([receiveOutput(messages), stdin && sendInput(messages, stdin)])
  await stream.close()

  const statement = verifyReceipt(output.receipt)
  const { job, module: ran, stdin: read, node } = statement.predicate
  assert.equal(node.peerId, connection.remotePeer.toString(), 'the receipt of another node')
  assert.equal(job.nonce, sent.nonce)
  assert.equal(job.manifest.digest.sha256, sha256(sent.manifest))
  assert.deepEqual(ran, { digest: { sha256: sha256(module) }, size: module.length })
  assert.deepEqual(read, { digest: { sha256: sha256(stdin ?? '') }, size: stdin?.length ?? 0 })
  for (const stream of ['stdout', 'stderr']) {
    const [{ digest }] = statement.subject.filter(({ name }) => name === stream)
    assert.equal(digest.sha256, sha256(output[stream]), `other bytes on ${stream} than the receipt says`)
  }
  return { stdout: output.stdout, stderr: output.stderr, moduleWanted, statement }
}

async function sendData (messages, type, bytes) {
  for (let start = 0; start < bytes.length; start += MAX_DATA_BYTES) {
    await messages.send({ type, data: bytes.subarray(start, start + MAX_DATA_BYTES) })
  }
}

async function sendInput (messages, stdin) {
  await sendData(messages, 'stdin', stdin)
  await messages.send({ type: 'stdin-end' })
}

async function receiveOutput (messages) {
  const chunks = { stdout: [], stderr: [] }
  for (;;) {
    const message = await receive(messages, 'output', 'progress', 'result')
    if (message.type === 'output') chunks[message.stream].push(message.data)
    if (message.type === 'result') {
      const receipt = Buffer.from(message.receipt).toString()
      return { stdout: Buffer.concat(chunks.stdout), stderr: Buffer.concat(chunks.stderr), receipt }
    }
  }
}

async function receive (messages, ...expected) {
  const { type, ...fields } = await messages.receive()
  assert(expected.includes(type), `${type}: ${JSON.stringify(fields)}`)
  assert.deepEqual(Object.keys(fields).sort(), FIELDS[type], `the fields of ${type}`)
  return { type, ...fields }
}

// RFC 8785 writes numbers and texts as JavaScript does, and the names are in order here.
function canonicalManifest (module, args) {
  return Buffer.from(JSON.stringify({
    clock: 0,
    deterministic: false,
    invocation: { args, env: {}, mounts: [] },
    limits: { cpu_time: null, files: 2 ** 30, fuel: null, memory: 2 ** 30, output: 2 ** 26, wall_time: 300_000 },
    module,
    runtime: null,
    seed: 0
  }))
}

function sha256 (bytes) {
  return createHash('sha256').update(bytes).digest('hex')
}
