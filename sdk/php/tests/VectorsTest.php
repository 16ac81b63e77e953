<?php

declare(strict_types=1);

namespace Plasm\Tests;

use PHPUnit\Framework\TestCase;
use Plasm\Crypto;
use Plasm\Exception\InvalidReceipt;
use Plasm\Exception\VerificationFailed;
use Plasm\LegacyReceipt;
use Plasm\PeerId;
use Plasm\PlasmException;
use Plasm\Receipt;
use Plasm\Receipt\Moment;
use Plasm\Tests\World\Claims;
use Plasm\Tests\World\Vectors;

/** The vectors that all implementations share mean what their README says. */
final class VectorsTest extends TestCase
{
    /**
     * @dataProvider peerIds
     * @param array<string, string> $vector
     */
    public function testAPeerIdHoldsItsKey(array $vector): void
    {
        $pair = sodium_crypto_sign_seed_keypair(sodium_hex2bin($vector['seed']));
        self::assertSame($vector['publicKey'], bin2hex(sodium_crypto_sign_publickey($pair)));
        self::assertSame($vector['peerId'], (string) new PeerId(sodium_hex2bin($vector['publicKey'])));
        self::assertSame($vector['publicKey'], bin2hex(PeerId::parse($vector['peerId'])->publicKey));
    }

    /**
     * @dataProvider paes
     * @param array<string, string> $vector
     */
    public function testThePreAuthenticationEncoding(array $vector): void
    {
        $pae = Crypto::pae($vector['payloadType'], sodium_hex2bin($vector['payload']));
        self::assertSame($vector['pae'], bin2hex($pae));
    }

    /**
     * @dataProvider manifests
     * @param array<string, string> $vector
     */
    public function testAManifestIsWrittenInItsCanonicalFormAndDigested(array $vector): void
    {
        $fields = json_decode($vector['canonical'], true);
        $fields['invocation']['env'] = array_reverse($fields['invocation']['env']);
        $fields['invocation']['mounts'] = array_reverse($fields['invocation']['mounts']);
        $manifest = Claims::manifest($fields);
        self::assertSame($vector['canonical'], $manifest->canonical());
        self::assertSame($vector['sha256'], $manifest->digest());
    }

    /**
     * @dataProvider receipts
     * @param array<string, string> $vector
     */
    public function testAReceiptVerifiesToItsPayload(array $vector): void
    {
        $receipt = Receipt::verify($vector['receipt']);
        self::assertSame($vector['peerId'], (string) $receipt->node);
        self::assertEquals(json_decode($vector['payload'], true), self::asDocument($receipt));
        self::assertEquals($receipt, Receipt::read($vector['receipt']));
        $signature = sodium_hex2bin($vector['signature']);
        self::assertTrue(Crypto::signatureHolds($receipt->node, sodium_hex2bin($vector['pae']), $signature));
    }

    /**
     * @dataProvider legacy
     * @param array<string, string> $vector
     */
    public function testALegacyReceiptSignsTheDigestOfItsFiveClaims(array $vector): void
    {
        $receipt = Receipt::read($vector['receipt']);
        self::assertInstanceOf(LegacyReceipt::class, $receipt);
        self::assertSame($vector['signedBytes'], bin2hex($receipt->signedBytes()));
        self::assertSame($vector['peerId'], (string) $receipt->node);
        $fields = json_decode($vector['receipt'], true);
        self::assertSame(
            [$fields['module_hash'], $fields['exit_code'], $fields['wall_time_ms'], $fields['timestamp']],
            ["sha256:{$receipt->module}", $receipt->exitCode, $receipt->wallTimeMs, $receipt->finishedS],
        );
        self::assertEquals($receipt, LegacyReceipt::verify($vector['receipt']));
    }

    /**
     * @dataProvider invalid
     * @param array<string, string> $vector
     */
    public function testWhatIsNotAReceiptIsRefusedForTheRightReason(array $vector): void
    {
        $classes = ['invalid-receipt' => InvalidReceipt::class, 'verification-failed' => VerificationFailed::class];
        try {
            Receipt::read($vector['receipt']);
        } catch (PlasmException $error) {
            self::assertSame($vector['code'], $error->errorCode, $error->sentence());
            self::assertInstanceOf($classes[$vector['code']], $error);
            self::assertNotSame('', $error->hint);
            self::assertMatchesRegularExpression('/\A[ -~]+\z/', $error->sentence());

            return;
        }
        self::fail("taken, though: {$vector['why']}");
    }

    public function testEveryFileOfVectorsIsTried(): void
    {
        $files = array_map(fn (string $path) => basename($path, '.json'), glob(Vectors::FOLDER . '/*.json') ?: []);
        self::assertSame(['invalid', 'legacy', 'manifests', 'pae', 'peer_ids', 'receipts'], $files);
    }

    public function testAnOutcomeReadsAsASentence(): void
    {
        $receipt = Receipt::verify(Vectors::one('receipts', 'trapped')['receipt']);
        self::assertSame('trapped: unreachable', (string) $receipt->outcome);
    }

    /** @return array<string, mixed> the statement that the claims came from */
    private static function asDocument(Receipt $receipt): array
    {
        $digest = fn (string $sha256) => ['digest' => ['sha256' => $sha256]];
        $present = fn (array $fields) => array_filter($fields, fn ($value) => $value !== null);
        $subject = fn (string $name, string $sha256) => [...$digest($sha256), 'name' => $name];
        [$outcome, $usage, $limits] = [$receipt->outcome, $receipt->usage, $receipt->limits];

        return [
            '_type' => 'https://in-toto.io/Statement/v1',
            'predicateType' => 'https://plasm.dev/receipt/v1',
            'subject' => array_map($subject, array_keys($receipt->subjects), array_values($receipt->subjects)),
            'predicate' => [
                'job' => [
                    'id' => $receipt->jobId,
                    'manifest' => $digest($receipt->manifest),
                    'nonce' => $receipt->nonce,
                ],
                'module' => [...$digest($receipt->module), 'size' => $receipt->moduleSize],
                'stdin' => [...$digest($receipt->stdin), 'size' => $receipt->stdinSize],
                'outcome' => $present([
                    'kind' => $outcome->kind->value,
                    'exitCode' => $outcome->exitCode,
                    'trap' => $outcome->trap?->value,
                ]),
                'usage' => $present([
                    'wallTimeUs' => $usage->wallTimeUs,
                    'cpuTimeUs' => $usage->cpuTimeUs,
                    'peakMemory' => $usage->peakMemory,
                    'fuel' => $usage->fuel,
                ]),
                'limits' => $present([
                    'memory' => $limits->memory,
                    'fuel' => $limits->fuel,
                    'wallTimeMs' => $limits->wallTime,
                    'cpuTimeMs' => $limits->cpuTime,
                    'output' => $limits->output,
                    'files' => $limits->files,
                ]),
                'runtime' => ['name' => $receipt->runtimeName, 'version' => $receipt->runtimeVersion],
                'platform' => ['arch' => $receipt->arch],
                'node' => ['peerId' => (string) $receipt->node],
                'startedOn' => Moment::format($receipt->startedUs),
                'finishedOn' => Moment::format($receipt->finishedUs),
                'truncated' => $receipt->truncated,
            ],
        ];
    }

    /** @return array<string, array{array<string, string>}> */
    public static function peerIds(): array
    {
        return Vectors::of('peer_ids');
    }

    /** @return array<string, array{array<string, string>}> */
    public static function paes(): array
    {
        return Vectors::of('pae');
    }

    /** @return array<string, array{array<string, string>}> */
    public static function manifests(): array
    {
        return Vectors::of('manifests');
    }

    /** @return array<string, array{array<string, string>}> */
    public static function receipts(): array
    {
        return Vectors::of('receipts');
    }

    /** @return array<string, array{array<string, string>}> */
    public static function legacy(): array
    {
        return Vectors::of('legacy');
    }

    /** @return array<string, array{array<string, string>}> */
    public static function invalid(): array
    {
        return Vectors::of('invalid');
    }
}
