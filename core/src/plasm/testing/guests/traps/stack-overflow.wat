;; Recursion that no compiler can turn into a loop: what comes back is stored on the way out.
(module
  (memory (export "memory") 1)
  (func $deeper (param $depth i32) (result i32)
    (i32.store (i32.const 0) (i32.add (local.get $depth) (call $deeper (i32.add (local.get $depth) (i32.const 1)))))
    (i32.load (i32.const 0)))
  (func (export "_start") (drop (call $deeper (i32.const 0)))))
