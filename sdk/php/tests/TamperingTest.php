<?php

declare(strict_types=1);

namespace Plasm\Tests;

use PHPUnit\Framework\TestCase;
use Plasm\Exception\InvalidReceipt;
use Plasm\Exception\VerificationFailed;
use Plasm\PlasmException;
use Plasm\Receipt;
use Plasm\Receipt\JsonReader;
use Plasm\Tests\World\Signer;
use Plasm\Tests\World\Vectors;

/** Nobody can change, cut or invent a receipt, and nothing that claims to be one makes the reader stumble. */
final class TamperingTest extends TestCase
{
    /** @dataProvider valid */
    public function testNoSingleBitCanChange(string $receipt): void
    {
        self::assertTrue(self::accepted($receipt));
        $survivors = [];
        for ($position = 0; $position < strlen($receipt); $position++) {
            for ($bit = 0; $bit < 8; $bit++) {
                $changed = $receipt;
                $changed[$position] = chr(ord($receipt[$position]) ^ 1 << $bit);
                if (self::accepted($changed)) {
                    $survivors[] = [$position, $bit];
                }
            }
        }
        self::assertSame([], $survivors);
    }

    /** @dataProvider valid */
    public function testNoByteCanBeRemovedOrDoubledAndNoEndIsLeftOut(string $receipt): void
    {
        for ($position = 0; $position < strlen($receipt); $position++) {
            self::assertFalse(self::accepted(substr_replace($receipt, '', $position, 1)));
            self::assertFalse(self::accepted(substr_replace($receipt, $receipt[$position], $position, 0)));
            self::assertFalse(self::accepted(substr($receipt, 0, $position)));
        }
    }

    /** @dataProvider valid */
    public function testSpaceAroundAReceiptIsNoPartOfIt(string $receipt): void
    {
        self::assertEquals(Receipt::read($receipt), Receipt::read("\n {$receipt}\r\n\t"));
        foreach (["\v", "\f", "\u{a0}", "\0"] as $other) {
            self::assertFalse(self::accepted($receipt . $other));
        }
        self::assertFalse(self::accepted("{$receipt}\n{$receipt}"));
    }

    /** @dataProvider valid */
    public function testADocumentOfTheLargestSizeIsReadAndNoLargerOne(string $receipt): void
    {
        self::assertTrue(self::accepted(str_pad($receipt, JsonReader::MAX_BYTES)));
        self::assertFalse(self::accepted(str_pad($receipt, JsonReader::MAX_BYTES + 1)));
    }

    /** @dataProvider valid */
    public function testAnotherWayOfWritingTheSameTextsIsTheSameReceipt(string $receipt): void
    {
        $document = json_decode($receipt, true);
        $expected = Receipt::read($receipt);
        self::assertEquals($expected, Receipt::read((string) json_encode(array_reverse($document), JSON_PRETTY_PRINT)));
        $escaped = (string) preg_replace_callback(
            '/"[^"]*"/',
            fn (array $text) => '"' . preg_replace_callback(
                '/./',
                fn (array $char) => sprintf('\u%04X', ord($char[0])),
                substr($text[0], 1, -1),
            ) . '"',
            (string) json_encode($document, JSON_UNESCAPED_SLASHES),
        );
        self::assertEquals($expected, Receipt::read($escaped));
    }

    /** @dataProvider badDocuments */
    public function testWhatIsNotJsonIsRefused(string $document): void
    {
        $this->expectException(InvalidReceipt::class);
        Receipt::read($document);
    }

    /** @return array<string, array{string}> */
    public static function badDocuments(): array
    {
        $documents = [
            'nothing' => '',
            'space' => ' ',
            'a word' => 'receipt',
            'a capital literal' => '{"version":True}',
            'single quotes' => "{'version':1}",
            'a comment' => '{/**/}',
            'a comma at the end of an object' => '{"version":"0.1",}',
            'a comma at the end of an array' => '{"version":["0.1",]}',
            'no value' => '{"version"}',
            'a name that is no text' => '{1:2}',
            'a leading zero' => '{"version":01}',
            'a plus' => '{"version":+1}',
            'a bare point' => '{"version":.1}',
            'hex' => '{"version":0x1}',
            'infinity' => '{"version":-Infinity}',
            'a control character' => "{\"ver\nsion\":1}",
            'an unknown escape' => '{"\q":1}',
            'half an escape' => '{"\u12',
            'a backslash at the end' => '{"\\',
            'half a surrogate pair' => '{"\ud800":1}',
            'the same field, written differently' => '{"version":"0.1","\u0076ersion":"0.1"}',
            'the same number as a field' => '{"7":1,"7":1}',
            'not UTF-8' => "{\"\xff\":1}",
            'an overlong form' => "{\"\xc0\xaf\":1}",
            'a surrogate in UTF-8' => "{\"\xed\xa0\x80\":1}",
            'a byte order mark' => "\xef\xbb\xbf{}",
            'many digits' => '{"version":' . str_repeat('9', 100_000) . '}',
            'deep arrays' => str_repeat('[', JsonReader::MAX_BYTES),
            'deep objects' => str_repeat('{"version":', 90_000),
            'deep and closed' => '{"version":' . str_repeat('[', 100_000) . str_repeat(']', 100_000) . '}',
            'many escapes' => '"' . str_repeat('\\\\', JsonReader::MAX_BYTES >> 2) . '"',
        ];

        return array_map(fn (string $document) => [$document], $documents);
    }

    /** @dataProvider badStatements */
    public function testASignedStatementIsReadAsStrictlyAsTheEnvelope(string $from, string $to): void
    {
        $payload = Vectors::one('receipts', 'exited')['payload'];
        $changed = str_replace($from, $to, $payload);
        self::assertNotSame($payload, $changed);
        $this->expectException(InvalidReceipt::class);
        Receipt::read(Signer::ofVectors()->envelope($changed));
    }

    /** @return array<string, array{string, string}> */
    public static function badStatements(): array
    {
        return [
            'a field twice' => ['"size":8', '"size":8,"size":8'],
            'a field twice, deep inside' => ['{"sha256":"93a4', '{"sha256":"0","sha256":"93a4'],
            'a float' => ['"wallTimeUs":12345', '"wallTimeUs":12345.0'],
            'an exponent' => ['"wallTimeUs":12345', '"wallTimeUs":1e4'],
            'beyond 2^53' => ['"wallTimeUs":12345', '"wallTimeUs":9007199254740993'],
            'beyond 2^64' => ['"wallTimeUs":12345', '"wallTimeUs":18446744073709551617'],
            'text for a number' => ['"wallTimeUs":12345', '"wallTimeUs":"12345"'],
            'an object for an array' => ['"truncated":[]', '"truncated":{}'],
            'an array for an object' => ['"platform":{"arch":"x86_64"}', '"platform":[]'],
            'nested streams' => ['"truncated":[]', '"truncated":[["stdout"]]'],
            'no-break space' => ['"arch":"x86_64"', '"arch":"x86\u00a064"'],
            'a soft hyphen' => ['"arch":"x86_64"', '"arch":"x86\u00ad64"'],
            'half a surrogate pair' => ['"arch":"x86_64"', '"arch":"\ud800"'],
            'an unassigned character' => ['"arch":"x86_64"', '"arch":"\u0378"'],
            'a line separator' => ['"arch":"x86_64"', '"arch":"\u2028"'],
            'empty text' => ['"arch":"x86_64"', '"arch":""'],
            'long text' => ['"arch":"x86_64"', '"arch":"' . str_repeat('x', 4097) . '"'],
            'an exit code of 33 bits' => ['"exitCode":0', '"exitCode":4294967296'],
            'a newline after a digest' => ['5f9476"},"size":8', '5f9476\n"},"size":8'],
            'a newline after a moment' => ['12:00:00.012344Z', '12:00:00.012344Z\n'],
            'before 1970' => ['2025-01-31T12', '1969-12-31T12'],
            'the 24th hour' => ['2025-01-31T12', '2025-01-31T24'],
            'not a leap year' => ['2025-01-31T12', '2100-02-29T12'],
            'a wall time limit of nothing' => ['"wallTimeMs":300000', '"wallTimeMs":0'],
        ];
    }

    /** @dataProvider goodStatements */
    public function testWhatPythonReadsIsReadToo(string $from, string $to): void
    {
        $changed = str_replace($from, $to, Vectors::one('receipts', 'exited')['payload']);
        self::assertInstanceOf(Receipt::class, Receipt::read(Signer::ofVectors()->envelope($changed)));
    }

    /** @return array<string, array{string, string}> */
    public static function goodStatements(): array
    {
        return [
            'spaces' => [',', " ,\n\t"],
            'minus zero' => ['"exitCode":0', '"exitCode":-0'],
            'an escaped slash' => ['https://plasm.dev', 'https:\/\/plasm.dev'],
            'an astral character' => ['"arch":"x86_64"', '"arch":"\ud83c\udf0d 世界"'],
            'the longest text' => ['"arch":"x86_64"', '"arch":"' . str_repeat('é', 4096) . '"'],
            'the largest number' => ['"wallTimeUs":12345', '"wallTimeUs":9007199254740991'],
            'a leap day' => ['2025-01-31T12', '2000-02-29T12'],
            'both streams' => ['"truncated":[]', '"truncated":["stderr","stdout"]'],
        ];
    }

    public function testAnotherNodeCannotSignForThisOne(): void
    {
        $this->expectException(VerificationFailed::class);
        $this->expectExceptionMessage('is signed by');
        Receipt::read(Signer::other()->envelope(Vectors::one('receipts', 'exited')['payload']));
    }

    public function testAMessageHasNothingThatATerminalObeys(): void
    {
        $changed = str_replace('"wasmtime"', '"\u001b[2J\u202e' . str_repeat('x', 5000) . '"', Vectors::one(
            'receipts',
            'exited',
        )['payload']);
        try {
            Receipt::read(Signer::ofVectors()->envelope($changed));
            self::fail('taken');
        } catch (InvalidReceipt $error) {
            self::assertMatchesRegularExpression('/\A[ -~]{1,400}\z/', $error->getMessage());
            self::assertStringContainsString('statement.predicate.runtime.name', $error->getMessage());
        }
    }

    /** @return array<string, array{string}> */
    public static function valid(): array
    {
        return [
            'v1' => [Vectors::one('receipts', 'exited')['receipt']],
            '0.1' => [Vectors::one('legacy', 'exited')['receipt']],
        ];
    }

    private static function accepted(string $data): bool
    {
        try {
            Receipt::read($data);

            return true;
        } catch (PlasmException) {
            return false;
        }
    }
}
