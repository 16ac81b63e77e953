<?php

declare(strict_types=1);

namespace Plasm\Tests;

use PHPUnit\Framework\TestCase;
use Plasm\Check;
use Plasm\Crypto;
use Plasm\Exception\VerificationFailed;
use Plasm\Expectation;
use Plasm\Receipt;
use Plasm\Tests\World\Signer;
use Plasm\Tests\World\Vectors;

/** A receipt that holds is compared with what one has in hand, line by line or all at once. */
final class ExpectationTest extends TestCase
{
    private Receipt $receipt;

    protected function setUp(): void
    {
        $this->receipt = Receipt::verify(Vectors::one('receipts', 'exited')['receipt']);
    }

    /** @param array<string, mixed> $changes */
    private function expected(array $changes = []): Expectation
    {
        return new Expectation(...[
            'signer' => $this->receipt->node,
            'manifest' => $this->receipt->manifest,
            'nonce' => $this->receipt->nonce,
            'module' => $this->receipt->module,
            'stdin' => $this->receipt->stdin,
            'subjects' => ['stdout' => Crypto::sha256("hello\n"), 'stderr' => Crypto::sha256('')],
            'allSubjects' => true,
            ...$changes,
        ]);
    }

    public function testTheRightResultMatchesInEveryLine(): void
    {
        $this->expected()->require($this->receipt);
        self::assertSame(
            [
                'signer: matches',
                'manifest: matches',
                'nonce: matches',
                'module: matches',
                'stdin: matches',
                'stdout: matches',
                'stderr: matches',
            ],
            array_map(strval(...), $this->expected()->check($this->receipt)),
        );
    }

    public function testWhatIsLeftOutIsNotCompared(): void
    {
        self::assertSame([], (new Expectation())->check($this->receipt));
        $stdout = ['subjects' => ['stdout' => Crypto::sha256("hello\n")]];
        (new Expectation(...$stdout))->require($this->receipt);
        $this->expectException(VerificationFailed::class);
        $this->expectExceptionMessage('stderr: DIFFERS: the receipt says');
        $this->expected($stdout)->require($this->receipt);
    }

    /** @dataProvider differences */
    public function testEachDifferenceIsNamedWithBothSides(string $name): void
    {
        $other = Crypto::sha256('something else');
        $differing = array_filter(
            $this->expected([$name => $other])->check($this->receipt),
            fn (Check $check) => !$check->matches(),
        );
        self::assertEquals([new Check($name, $this->receipt->$name, $other)], array_values($differing));
    }

    /** @return list<array{string}> */
    public static function differences(): array
    {
        return [['manifest'], ['nonce'], ['module'], ['stdin']];
    }

    public function testAnotherSignerIsNamed(): void
    {
        $this->expectException(VerificationFailed::class);
        $this->expectExceptionMessage((string) Signer::other()->peer);
        $this->expected(['signer' => Signer::other()->peer])->require($this->receipt);
    }

    public function testALegacyReceiptSpeaksOfSignerAndModuleOnly(): void
    {
        $legacy = Receipt::read(Vectors::one('legacy', 'exited')['receipt']);
        $matching = array_filter($this->expected()->check($legacy), fn (Check $check) => $check->matches());
        self::assertSame(['signer', 'module'], array_column($matching, 'name'));
    }
}
