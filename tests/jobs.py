"""Small jobs in WebAssembly text, each with one habit."""

LOOP = '(module (memory (export "memory") 1) (func (export "_start") (loop br 0)))'
"""A job that never ends."""

FLOOD = """
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\\10\\00\\00\\00\\40\\00\\00\\00")
  (data (i32.const 16) "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\\n")
  (func (export "_start") (loop (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))) (br 0))))
"""
"""A job that writes for ever, whatever it is told."""

EXIT = """
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func (export "_start") (call $exit (i32.const %d))))
"""
"""A job that exits with a code."""

UNREACHABLE = '(module (memory (export "memory") 1) (func (export "_start") unreachable))'
"""A job that traps."""
