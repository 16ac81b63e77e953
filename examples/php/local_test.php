<?php

/**
 * Runs jobs with the `plasm` command on this machine, verifies their receipts, and shows that lies are found out.
 *
 *     composer install && php local_test.php [PLASM]
 *
 * PLASM is the command (found on PATH unless given).  PLASM_EXAMPLES is the folder with the example modules (../ unless
 * set).  Ends with status 0 if all is as it should be.
 */

declare(strict_types=1);

use Plasm\Client;
use Plasm\Crypto;
use Plasm\Expectation;
use Plasm\Folder;
use Plasm\Input;
use Plasm\Job;
use Plasm\Limits;
use Plasm\OutcomeKind;
use Plasm\PlasmException;
use Plasm\Receipt;

require __DIR__ . '/vendor/autoload.php';
require __DIR__ . '/Checks.php';

$modules = getenv('PLASM_EXAMPLES') ?: dirname(__DIR__);
$checks = new Checks();

try {
    $client = Client::local($argv[1] ?? 'plasm');

    echo "a job with an argument\n";
    $hello = Job::of("{$modules}/hello/hello.wasm", ['Hello, World']);
    $result = $client->run($hello);
    $checks->that('its output is ' . json_encode($result->stdout), $result->stdout === "dlroW ,olleH\n");
    $checks->that("it {$result->outcome} on {$result->receipt->runtimeName}", $result->succeeded());
    $claims = $result->receipt;
    $checks->that("its receipt is signed by {$claims->node}", $claims->module === $hello->module->digest);

    echo "\na file on stdin, and limits\n";
    $table = "{$modules}/csvstats/weather.csv";
    $limits = new Limits(memory: '64MiB', wallTime: '20s');
    $csvstats = Job::of("{$modules}/csvstats/csvstats.wasm", ['--json'], Input::file($table), limits: $limits);
    $result = $client->run($csvstats);
    $rows = json_decode($result->stdout)->rows ?? 0;
    $checks->that("it counted {$rows} rows", $rows > 0 && $result->succeeded());
    $checks->that('the receipt names the table', $result->receipt->stdin === hash_file('sha256', $table));

    echo "\nfour megabytes in and out\n";
    $lines = str_repeat("abc\n", 2 ** 20);
    $result = $client->run(Job::of($hello->module, stdin: $lines));
    $checks->that('each line came back turned around', $result->stdout === str_repeat("cba\n", 2 ** 20));

    echo "\na folder that may only be read\n";
    $folder = new Folder("{$modules}/hello", '/data', readOnly: true);
    $result = $client->run(Job::of("{$modules}/digest/digest.wasm", folders: [$folder]));
    $checks->that(
        'the job digested hello.wasm as we do',
        str_contains($result->stdout, "{$hello->module->digest}  hello.wasm\n"),
    );

    echo "\na job that is stopped\n";
    $result = $client->run(Job::of($hello->module, stdin: $lines, limits: new Limits(output: 1000)));
    $checks->that("it {$result->outcome}", $result->outcome->kind === OutcomeKind::OutputLimit);

    echo "\nwhat must be refused\n";
    $result = $client->run($hello);
    $receipt = Receipt::verify($result->envelope);
    $changed = json_decode($result->envelope);
    $other = Crypto::sha256('Hello, World');
    $payload = base64_decode($changed->payload);
    $changed->payload = base64_encode(str_replace($receipt->subjects['stdout'], $other, $payload));
    $changed = (string) json_encode($changed);
    $checks->refused('a changed claim', 'verification-failed', fn () => Receipt::verify($changed));
    $checks->refused('another output', 'verification-failed', fn () => (new Expectation(
        subjects: ['stdout' => $other],
    ))->require($receipt));
    $checks->refused(
        'no module',
        'invalid-module',
        fn () => $client->run(Job::of(new Plasm\Module('this is no module'))),
    );
} catch (PlasmException $error) {
    echo $error->sentence(), "\n";
    exit(1);
}
exit($checks->end());
