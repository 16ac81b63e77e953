;; Makes its table as large as it is let, in steps, and then ends.
(module
  (memory (export "memory") 1)
  (table $table 0 funcref)
  (func (export "_start")
    (loop $more
      (br_if $more (i32.ne (table.grow $table (ref.null func) (i32.const 65536)) (i32.const -1))))))
