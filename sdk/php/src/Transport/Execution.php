<?php

declare(strict_types=1);

namespace Plasm\Transport;

use Plasm\PeerId;

/** What a transport was told of one execution; nothing of it is verified. */
final readonly class Execution
{
    /**
     * @param string $envelope the receipt as JSON
     * @param PeerId $node who is said to have run the job
     * @param ?string $nonce what was sent with the job; null where the transport cannot choose it
     */
    public function __construct(
        public string $envelope,
        public string $stdout,
        public string $stderr,
        public PeerId $node,
        public ?string $nonce,
    ) {
    }
}
