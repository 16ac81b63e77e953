# Errors are raised, caught, rethrown and cleaned up after, in procedures, loops and callbacks.
proc divide {a b} {
    if {$b == 0} {
        return -code error -errorcode {ARITH DIVZERO} "cannot divide $a by zero"
    }
    return [expr {$a / $b}]
}

foreach b {3 0} {
    if {[catch {divide 12 $b} result]} {
        puts "caught: $result"
    } else {
        puts "result: $result"
    }
}

proc guarded {script} {
    try {
        return [uplevel 1 $script]
    } on error {message} {
        return "error: $message"
    } finally {
        incr ::finished
    }
}
set finished 0
puts [guarded {expr {6 * 7}}]
puts [guarded {nonsense}]
puts [guarded {lindex {1 2 3} end-x}]
puts [guarded {guarded {error inner}}]
puts "finished $finished times"

proc depth {n} {
    if {$n == 0} { error "at the bottom" }
    depth [expr {$n - 1}]
}
puts [catch {depth 50} message]:$message

set total 0
while 1 {
    if {[catch {
        incr total
        if {$total == 3} continue
        if {$total > 5} break
        error "number $total"
    } message]} {
        puts $message
    }
    if {$total > 5} break
}

array set ages {anna 31 bert 27 carl 45}
foreach name [lsort -command {apply {{a b} {expr {$::ages($b) - $::ages($a)}}}} [array names ages]] {
    puts [format "%-6s %3d" $name $ages($name)]
}
puts [regsub -all {(\w+)@(\w+)} "anna@home bert@work" {\2 has \1}]
puts [dict get {a 1 b {c 2}} b c]
puts [lmap x {1 2 3} {expr {$x ** 2}}]
puts [list $argv [llength $argv]]
exit [llength $argv]
