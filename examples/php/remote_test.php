<?php

/**
 * Has the node of this machine run jobs, and peers that it reaches, and verifies every receipt itself.
 *
 *     composer install && php remote_test.php [SOCKET [PEER...]]
 *
 * SOCKET is the node's control socket ('' or left out: where nodes have it); start a node with `plasm start`.  Each
 * PEER is the address of a peer that the node is to ask; without one, it runs the jobs itself.  PLASM_EXAMPLES is the
 * folder with the example modules (../ unless set).  Ends with status 0 if all is as it should be.
 */

declare(strict_types=1);

use Plasm\Client;
use Plasm\Job;
use Plasm\Limits;
use Plasm\OutcomeKind;
use Plasm\PlasmException;
use Plasm\Receipt;
use Plasm\Transport\SocketTransport;

require __DIR__ . '/vendor/autoload.php';
require __DIR__ . '/Checks.php';

$socket = $argv[1] ?? '';
$peers = array_slice($argv, 2);
$modules = getenv('PLASM_EXAMPLES') ?: dirname(__DIR__);
$checks = new Checks();

try {
    echo "the node\n";
    $node = new SocketTransport($socket === '' ? null : $socket, patience: 120);
    $status = $node->status();
    $checks->that("it is {$status['node']}, plasm {$status['version']}", str_starts_with($status['node'], '12D3KooW'));

    $transport = $peers === [] ? $node : $node->onPeers(peers: $peers);
    $client = new Client($transport);
    $where = $peers === [] ? 'there' : 'on a peer';

    echo "\na job {$where}, its module sent along\n";
    $hello = Job::of("{$modules}/hello/hello.wasm", ['Hello, World']);
    $result = $client->run($hello);
    $checks->that('its output is ' . json_encode($result->stdout), $result->stdout === "dlroW ,olleH\n");
    $checks->that("it {$result->outcome} on {$result->receipt->node}", $result->succeeded());
    $itself = (string) $result->receipt->node === $status['node'];
    $checks->that($itself ? 'that is the node itself' : 'that is another node', $itself === ($peers === []));

    echo "\nthe same again, with input and while we listen\n";
    $lines = str_repeat("abc\n", 2 ** 18);
    $heard = 0;
    $result = $client->run(
        Job::of($hello->module, stdin: $lines),
        function (string $stream, string $bytes) use (&$heard): void {
            $heard += strlen($bytes);
        },
    );
    $checks->that('each line came back turned around', $result->stdout === str_repeat("cba\n", 2 ** 18));
    $checks->that('we heard all of it as it came', $heard === strlen($lines));
    $checks->that('the receipt names the input', $result->receipt->stdin === hash('sha256', $lines));

    echo "\na job that is stopped\n";
    $stopped = $client->run(Job::of($hello->module, stdin: $lines, limits: new Limits(output: 1000)));
    $checks->that("it {$stopped->outcome}", $stopped->outcome->kind === OutcomeKind::OutputLimit);

    echo "\nwhat must be refused\n";
    $checks->refused('no module', 'invalid-module', fn () => $client->run(Job::of(new Plasm\Module('no module'))));
    $checks->refused('no such request', 'invalid-input', fn () => $node->ask('dance'));

    if ($peers === []) {
        echo "\nthe receipts that the node keeps\n";
        $kept = array_column($node->receipts(10), 'job');
        $checks->that('it keeps ' . count($kept), in_array($result->receipt->jobId, $kept, true));
        $receipt = Receipt::verify($node->receipt($result->receipt->jobId));
        $checks->that('the one of our job verifies, and is the one that we got', $receipt == $result->receipt);
    }
} catch (PlasmException $error) {
    echo $error->sentence(), "\n";
    exit(1);
}
exit($checks->end());
