;; Never gets as far as its command.
(module
  (memory (export "memory") 1)
  (func $begin (loop (br 0)))
  (start $begin)
  (func (export "_start")))
