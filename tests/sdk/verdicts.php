<?php

/**
 * What PHP says of receipts: each line of stdin is one in base64, each line of stdout is JSON, either
 * {"code": "…"} or {"claims": {…}} with the fields as Python names them.
 */

declare(strict_types=1);

use Plasm\PeerId;
use Plasm\PlasmException;
use Plasm\Receipt;

require $argv[1] . '/tests/bootstrap.php';

function plain(mixed $value): mixed
{
    return match (true) {
        $value instanceof PeerId => (string) $value,
        $value instanceof BackedEnum => $value->value,
        is_object($value) => (object) array_map(plain(...), get_object_vars($value)),
        is_array($value) => array_map(plain(...), $value),
        default => $value,
    };
}

while (($line = fgets(STDIN)) !== false) {
    try {
        $verdict = ['claims' => plain(Receipt::read((string) base64_decode($line)))];
    } catch (PlasmException $error) {
        $verdict = ['code' => $error->errorCode];
    }
    echo json_encode($verdict, JSON_THROW_ON_ERROR), "\n";
}
