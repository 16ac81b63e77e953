;; Has all the memory that 32 bits can address from the start, uses every page of it, and stays.
(module
  (memory (export "memory") 65536)
  (func (export "_start") (local $page i32)
    (loop $next
      (i32.store8 (local.get $page) (i32.const 1))
      (local.set $page (i32.add (local.get $page) (i32.const 4096)))
      (br $next))))
