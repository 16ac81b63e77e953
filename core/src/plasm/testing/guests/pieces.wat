;; Asks for 100000 bytes of standard input again and again; writes how many came each time, 4 bytes each.
(module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 4)
  (data (i32.const 0) "\00\01\00\00\a0\86\01\00\10\00\00\00\04\00\00\00")
  (func (export "_start")
    (loop $more
      (if (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 16)) (then unreachable))
      (if (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 20)) (then unreachable))
      (br_if $more (i32.load (i32.const 16))))))
