<?php

declare(strict_types=1);

namespace Plasm;

/** Traps by the names of the WebAssembly core specification's execution chapter. */
enum TrapKind: string
{
    case Unreachable = 'unreachable';
    case StackOverflow = 'stack-overflow';
    case MemoryOutOfBounds = 'memory-out-of-bounds';
    case TableOutOfBounds = 'table-out-of-bounds';
    case IndirectCallToNull = 'indirect-call-to-null';
    case IndirectCallTypeMismatch = 'indirect-call-type-mismatch';
    case IntegerOverflow = 'integer-overflow';
    case IntegerDivisionByZero = 'integer-division-by-zero';
    case InvalidConversion = 'invalid-conversion';
    case Other = 'other';
}
