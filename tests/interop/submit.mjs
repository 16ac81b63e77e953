// Submits a job to a node with js-libp2p and believes nothing that does not verify:
//
//     node submit.mjs ADDRESS MODULE [--stdin FILE] [ARGUMENT …]
//
// Prints one line of JSON with what it found.  Whatever does not match ends it with another status than 0.

import './older-node.mjs'
import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { quic } from '@chainsafe/libp2p-quic'
import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { askForCapability, submit } from './job.mjs'

const SECONDS = 60

const { values: { stdin }, positionals: [address, module, ...args] } = parseArgs({
  options: { stdin: { type: 'string' } },
  allowPositionals: true
})

// The timer also keeps Node from ending early: a QUIC connection alone does not.
const deadline = setTimeout(() => {
  console.error(`not done after ${SECONDS} s`)
  process.exit(1)
}, SECONDS * 1000)

const host = await createLibp2p({
  transports: [tcp(), quic()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  services: { identify: identify({ runOnConnectionOpen: false }) }
})
const connection = await host.dial(multiaddr(address))
const { protocols, agentVersion } = await host.services.identify.identify(connection)
const capability = await askForCapability(connection)
const result = await submit(connection, await readFile(module), args, stdin && await readFile(stdin))
await host.stop()
clearTimeout(deadline)

console.log(JSON.stringify({
  peer: connection.remotePeer.toString(),
  address: connection.remoteAddr.toString(),
  agent: agentVersion,
  protocols,
  capability,
  ...result,
  stdout: result.stdout.toString(),
  stderr: result.stderr.toString()
}))
