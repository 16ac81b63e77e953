// What js-libp2p takes for granted and Node 18 or 20 does not have; imported before everything else.

import { webcrypto } from 'node:crypto'

globalThis.crypto ??= webcrypto

globalThis.CustomEvent ??= class CustomEvent extends Event {
  constructor (type, { detail = null, ...options } = {}) {
    super(type, options)
    this.detail = detail
  }
}

Promise.withResolvers ??= function () {
  let resolve, reject
  const promise = new this((...both) => { [resolve, reject] = both })
  return { promise, resolve, reject }
}
