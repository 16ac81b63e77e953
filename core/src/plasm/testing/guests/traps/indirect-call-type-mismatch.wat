(module
  (memory (export "memory") 1)
  (func $other (param i64))
  (table funcref (elem $other))
  (func (export "_start") (call_indirect (i32.const 0))))
