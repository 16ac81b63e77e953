<?php

declare(strict_types=1);

namespace Plasm\Tests;

use PHPUnit\Framework\TestCase;
use Plasm\Client;
use Plasm\Exception\InvalidInput;
use Plasm\Exception\NodeNotRunning;
use Plasm\Exception\ProtocolViolation;
use Plasm\Exception\VerificationFailed;
use Plasm\Folder;
use Plasm\Input;
use Plasm\Job;
use Plasm\Limits;
use Plasm\Module;
use Plasm\PlasmException;
use Plasm\Receipt;
use Plasm\Tests\World\Signer;
use Plasm\Transport\Requirements;
use Plasm\Transport\SocketTransport;

/** Jobs with a process that speaks the control socket's protocol, and is not always honest. */
final class SocketTransportTest extends TestCase
{
    private static string $path;
    /** @var resource */
    private static $node;

    public static function setUpBeforeClass(): void
    {
        self::$path = sys_get_temp_dir() . '/plasm-' . getmypid() . '.sock';
        $node = proc_open([__DIR__ . '/World/fake-node', self::$path], [1 => ['pipe', 'w']], $pipes);
        self::assertIsResource($node);
        self::assertSame("listening\n", fgets($pipes[1]));
        self::$node = $node;
    }

    public static function tearDownAfterClass(): void
    {
        proc_terminate(self::$node, 9);
        proc_close(self::$node);
        unlink(self::$path);
    }

    private static function job(string $does, Input|string|null $stdin = null): Job
    {
        return Job::of(new Module(str_repeat("\0asm\1\0\0\0", 100_000)), [$does], $stdin);
    }

    private static function node(?float $patience = 30): SocketTransport
    {
        return new SocketTransport(self::$path, $patience);
    }

    private static function client(): Client
    {
        return new Client(self::node());
    }

    public function testMegabytesGoThroughInBothDirections(): void
    {
        $input = random_bytes(5_000_000);
        foreach (['echo', 'send-and-echo'] as $does) {
            $heard = '';
            $result = self::client()->run(
                self::job($does, $input),
                function (string $stream, string $bytes) use (&$heard): void {
                    $heard .= $bytes;
                },
            );
            self::assertTrue($result->stdout === $input);
            self::assertTrue($heard === $input);
            self::assertSame((string) Signer::ofVectors()->peer, (string) $result->receipt->node);
        }
    }

    public function testInputMayBeAFileOrNothing(): void
    {
        self::assertStringContainsString('fake-node', self::client()->run(
            self::job('echo', Input::file(__FILE__)),
        )->stdout);
        self::assertSame('', self::client()->run(self::job('echo', ''))->stdout);
        self::assertSame('', self::client()->run(self::job('echo'))->stdout);
        self::assertSame('', self::client()->run(self::job('send'))->stdout);
    }

    public function testANodeThatDoesNotListenIsNotWaitedFor(): void
    {
        self::assertSame('', self::client()->run(self::job('deaf', str_repeat('x', 5_000_000)))->stdout);
    }

    public function testManySmallPiecesAndAJobThatTakesItsTime(): void
    {
        self::assertSame(240_000, strlen(self::client()->run(self::job('drip'))->stdout));
        self::assertTrue(self::client()->run(self::job('progress'))->succeeded());
    }

    public function testTheRequestIsWhatTheProtocolSays(): void
    {
        $job = Job::of(new Module('x'), ['show'], 'in', ['1' => 'é'], limits: new Limits(fuel: 7));
        $request = json_decode(self::client()->run($job)->stdout, true);
        self::assertSame(['do', 'manifest', 'module', 'nonce', 'stdin'], array_keys($request));
        self::assertSame('run', $request['do']);
        self::assertSame(['sha256' => hash('sha256', 'x'), 'size' => 1], $request['module']);
        self::assertMatchesRegularExpression('/\A[0-9a-f]{64}\z/', $request['nonce']);
        self::assertTrue($request['stdin']);
        self::assertSame(json_decode($job->manifest->canonical(), true), $request['manifest']);

        $node = self::node()->onPeers(new Requirements('aarch64', memory: '1GiB'), ['/ip4/…'], ['mdns'], 3, 1.5);
        $request = json_decode((new Client($node))->run($job)->stdout, true);
        self::assertSame('submit', $request['do']);
        self::assertEquals(['arch' => 'aarch64', 'memory' => 2 ** 30], $request['require']);
        self::assertSame(
            [['/ip4/…'], ['mdns'], 3, 1.5],
            [$request['peers'], $request['discovery'], $request['attempts'], $request['seconds']],
        );
        $request = json_decode((new Client(self::node()->onPeers()))->run($job)->stdout, true);
        self::assertSame(['do', 'manifest', 'module', 'nonce', 'stdin'], array_keys($request));
    }

    public function testANodeMayTryAnotherPeerBeforeThereIsOutput(): void
    {
        $result = (new Client(self::node()->onPeers(attempts: 2)))->run(self::job('second-peer'));
        self::assertSame((string) Signer::ofVectors()->peer, (string) $result->receipt->node);
    }

    public function testWhatTheNodeSaysIsWrongIsAnExceptionWithItsCode(): void
    {
        foreach (['refuse' => 'queue-full', 'fail' => 'worker-failed'] as $does => $code) {
            try {
                self::client()->run(self::job($does));
                self::fail('no exception');
            } catch (PlasmException $error) {
                self::assertSame($code, $error->errorCode);
                self::assertSame('try again', $error->hint);
            }
        }
    }

    /** @dataProvider violations */
    public function testANodeThatDoesNotKeepToTheProtocolIsNotFollowed(string $does, string $says): void
    {
        $this->expectException(ProtocolViolation::class);
        $this->expectExceptionMessage($says);
        self::client()->run(Job::of(new Module('x'), [$does], limits: new Limits(output: 4)));
    }

    /** @return list<array{string, string}> */
    public static function violations(): array
    {
        return [
            ['garbage', 'not a message: "[1]"'],
            ['two-keys', 'not a message'],
            ['endless-line', 'too long'],
            ['unknown', 'surprise'],
            ['third-stream', 'output that cannot be read'],
            ['loose-base64', 'output that cannot be read'],
            ['early-output', 'output that cannot be read'],
            ['flood', 'more output than the job may write'],
            ['late-second-peer', 'another peer after output'],
            ['no-receipt', 'without a receipt'],
            ['nobody', 'names no peer'],
            ['send-twice', 'has been sent'],
        ];
    }

    /** @dataProvider lies */
    public function testALieIsNotBelieved(string $lie, string $says): void
    {
        $this->expectException(VerificationFailed::class);
        $this->expectExceptionMessage($says);
        self::client()->run(self::job($lie));
    }

    /** @return list<array{string, string}> */
    public static function lies(): array
    {
        return [
            ['old-nonce', 'nonce: DIFFERS'],
            ['other-output', 'stdout: DIFFERS'],
            ['other-signer', 'signer: DIFFERS'],
        ];
    }

    public function testANodeThatGoesAwayIsTold(): void
    {
        $this->expectException(NodeNotRunning::class);
        $this->expectExceptionMessage('went away before it answered');
        self::client()->run(self::job('go'));
    }

    public function testWhatTheCallbackThrowsCancelsTheJob(): void
    {
        $note = (string) tempnam(sys_get_temp_dir(), 'plasm');
        $job = Job::of(new Module('x'), ['watch', $note], 'input');
        try {
            self::client()->run($job, fn () => throw new \DomainException('enough'));
            self::fail('no exception');
        } catch (\DomainException) {
            self::assertSame('1.5', (string) self::node()->status()['uptime_s']);
            self::assertSame('the owner has gone', file_get_contents($note));
        } finally {
            unlink($note);
        }
    }

    public function testWhatTheNodeSaysOfItself(): void
    {
        self::assertSame((string) Signer::ofVectors()->peer, self::node()->status()['node']);
        self::assertSame([['job' => str_repeat('0', 32)]], self::node()->receipts(1));
        self::assertCount(250, self::node()->receipts(250));
        $receipt = Receipt::verify(self::node()->receipt('00112233445566778899aabbccddeeff'));
        self::assertSame('00112233445566778899aabbccddeeff', $receipt->jobId);
    }

    public function testAnAnswerOfAnotherKindIsRefused(): void
    {
        foreach (['drain' => ProtocolViolation::class, 'dance' => InvalidInput::class] as $do => $class) {
            try {
                self::node()->ask($do);
                self::fail('no exception');
            } catch (PlasmException $error) {
                self::assertInstanceOf($class, $error);
            }
        }
    }

    public function testNoNodeIsToldWithWhatToDo(): void
    {
        foreach (['/no/such/socket', __FILE__] as $path) {
            try {
                (new SocketTransport($path))->status();
                self::fail('no exception');
            } catch (NodeNotRunning $error) {
                self::assertSame('node-not-running', $error->errorCode);
                self::assertStringContainsString('plasm start', $error->hint);
                self::assertStringContainsString($path, $error->getMessage());
            }
        }
    }

    public function testAPathThatIsTooLongForASocketIsNotCut(): void
    {
        $this->expectException(InvalidInput::class);
        (new SocketTransport('/' . str_repeat('x', 107)))->status();
    }

    public function testTheSocketIsWhereNodesHaveIt(): void
    {
        $before = [getenv('PLASM_HOME'), getenv('XDG_RUNTIME_DIR')];
        $folder = sys_get_temp_dir() . '/plasm-run-' . getmypid();
        mkdir("{$folder}/plasm", recursive: true);
        touch("{$folder}/plasm/control.sock");
        $cases = [
            ['PLASM_HOME=/home/x', "XDG_RUNTIME_DIR={$folder}", '/home/x/run/control.sock'],
            ['PLASM_HOME', "XDG_RUNTIME_DIR={$folder}", "{$folder}/plasm/control.sock"],
            ['PLASM_HOME', 'XDG_RUNTIME_DIR=/nowhere', '/run/plasm/control.sock'],
            ['PLASM_HOME', 'XDG_RUNTIME_DIR', '/run/plasm/control.sock'],
        ];
        try {
            foreach ($cases as [$home, $runtime, $path]) {
                putenv($home);
                putenv($runtime);
                self::assertSame($path, (new SocketTransport())->path);
            }
        } finally {
            putenv('PLASM_HOME' . ($before[0] === false ? '' : "={$before[0]}"));
            putenv('XDG_RUNTIME_DIR' . ($before[1] === false ? '' : "={$before[1]}"));
            unlink("{$folder}/plasm/control.sock");
            rmdir("{$folder}/plasm");
            rmdir($folder);
        }
    }

    public function testAJobWithFoldersIsNotSent(): void
    {
        $this->expectException(InvalidInput::class);
        self::client()->run(Job::of(new Module('x'), folders: [new Folder(__DIR__, '/data')]));
    }

    public function testARequestTooLongForALineIsRefusedHere(): void
    {
        $this->expectException(InvalidInput::class);
        $this->expectExceptionMessage('too long for the control socket');
        self::client()->run(Job::of(new Module('x'), ['echo', str_repeat('"', 2 ** 19)]));
    }

    public function testPatienceEnds(): void
    {
        $started = microtime(true);
        try {
            (new Client(self::node(0.3)))->run(self::job('silence'));
            self::fail('no exception');
        } catch (NodeNotRunning $error) {
            self::assertStringContainsString('has said nothing for 0.3 s', $error->getMessage());
            self::assertGreaterThan(0.29, microtime(true) - $started);
            self::assertLessThan(30, microtime(true) - $started);
        }
    }
}
