;; Writes random bytes: 5, and then 1000 more.
(module
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\20\00\00\00\ed\03\00\00")
  (func (export "_start")
    (if (call $random (i32.const 32) (i32.const 5)) (then unreachable))
    (if (call $random (i32.const 37) (i32.const 1000)) (then unreachable))
    (if (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)) (then unreachable))))
