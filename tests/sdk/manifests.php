<?php

/**
 * Manifests as PHP writes them: each line of stdin is one as JSON with every field written out, each line of stdout is
 * its canonical form and its digest in JSON, or null where PHP takes it for none.
 */

declare(strict_types=1);

use Plasm\PlasmException;
use Plasm\Tests\World\Claims;

require $argv[1] . '/tests/bootstrap.php';

while (($line = fgets(STDIN)) !== false) {
    try {
        $manifest = Claims::manifest(json_decode($line, true, flags: JSON_THROW_ON_ERROR));
        echo json_encode([base64_encode($manifest->canonical()), $manifest->digest()]), "\n";
    } catch (PlasmException) {
        echo "null\n";
    }
}
