<?php

declare(strict_types=1);

namespace Plasm;

use Plasm\Exception\VerificationFailed;

/**
 * What a receipt is compared with; null, or an output left out, compares nothing.
 *
 *     (new Expectation(signer: $peer, subjects: ['stdout' => Crypto::sha256($output)]))->require($receipt);
 */
final readonly class Expectation
{
    /**
     * @param ?PeerId $signer the node that must have signed
     * @param ?string $manifest digest of the manifest that was sent
     * @param ?string $nonce the nonce that was sent
     * @param ?string $module digest of the module
     * @param ?string $stdin digest of the first $stdinSize bytes of the input; jobs may read less
     * @param array<string, string> $subjects digests of outputs, by name
     * @param bool $allSubjects whether a receipt with more outputs is refused
     */
    public function __construct(
        public ?PeerId $signer = null,
        public ?string $manifest = null,
        public ?string $nonce = null,
        public ?string $module = null,
        public ?string $stdin = null,
        public array $subjects = [],
        public bool $allSubjects = false,
    ) {
    }

    /**
     * Every comparison that is asked for, in a fixed order, whatever its result.
     *
     * @return list<Check>
     */
    public function check(Receipt|LegacyReceipt $receipt): array
    {
        $claimed = ['signer' => (string) $receipt->node, 'module' => $receipt->module];
        $subjects = [];
        if ($receipt instanceof Receipt) {
            $subjects = $receipt->subjects;
            $claimed += ['manifest' => $receipt->manifest, 'nonce' => $receipt->nonce, 'stdin' => $receipt->stdin];
        }
        $given = [
            'signer' => $this->signer === null ? null : (string) $this->signer,
            'manifest' => $this->manifest,
            'nonce' => $this->nonce,
            'module' => $this->module,
            'stdin' => $this->stdin,
        ];
        $checks = [];
        foreach (array_filter($given, is_string(...)) as $name => $value) {
            $checks[] = new Check($name, $claimed[$name] ?? null, $value);
        }
        $found = $this->subjects + ($this->allSubjects ? array_fill_keys(array_keys($subjects), null) : []);
        foreach ($found as $name => $digest) {
            $checks[] = new Check($name, $subjects[$name] ?? null, $digest);
        }

        return $checks;
    }

    /** @throws VerificationFailed the first comparison that does not match */
    public function require(Receipt|LegacyReceipt $receipt): void
    {
        foreach ($this->check($receipt) as $check) {
            if (!$check->matches()) {
                throw VerificationFailed::because(
                    (string) $check,
                    'the receipt is not about this result; do not rely on it',
                );
            }
        }
    }
}
