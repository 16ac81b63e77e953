// Messages on a stream: frames of an unsigned varint and a payload, which is one map in deterministic CBOR.

import { lpStream } from '@libp2p/utils'
import { decode, encode, rfc8949EncodeOptions } from 'cborg'

const MAX_FRAME_BYTES = 2 ** 20

export class Messages {
  #frames

  constructor (stream) {
    this.#frames = lpStream(stream, { maxDataLength: MAX_FRAME_BYTES })
  }

  async send (message) {
    await this.#frames.write(encode(message, rfc8949EncodeOptions))
  }

  async receive () {
    return decodeStrictly((await this.#frames.read()).subarray())
  }

  // Whoever sends has to end the stream here, between two frames.
  async receiveEnd () {
    const more = await this.#frames.read().catch(error => {
      if (error.name !== 'UnexpectedEOFError') throw error
    })
    if (more) throw new Error('a frame where the stream should end')
  }
}

// A decoder may forgive a form that is not the deterministic one; the encoder makes no other.
export function decodeStrictly (payload) {
  const message = decode(payload, { strict: true, allowIndefinite: false, rejectDuplicateMapKeys: true })
  if (!Buffer.from(encode(message, rfc8949EncodeOptions)).equals(payload)) {
    throw new Error('CBOR that is not in its deterministic form')
  }
  return message
}
