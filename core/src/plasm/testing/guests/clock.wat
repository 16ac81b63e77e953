;; Writes what the wall clock says three times and then the monotonic clock, 8 bytes each.
(module
  (import "wasi_snapshot_preview1" "clock_time_get" (func $time (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\20\00\00\00\20\00\00\00")
  (func $read (param $clock i32) (param $where i32)
    (if (call $time (local.get $clock) (i64.const 1) (local.get $where)) (then unreachable)))
  (func (export "_start")
    (call $read (i32.const 0) (i32.const 32))
    (call $read (i32.const 0) (i32.const 40))
    (call $read (i32.const 0) (i32.const 48))
    (call $read (i32.const 1) (i32.const 56))
    (if (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)) (then unreachable))))
