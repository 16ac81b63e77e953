(module
  (import "teapot" "pour" (func))
  (memory (export "memory") 1)
  (func (export "_start")))
