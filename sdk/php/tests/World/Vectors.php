<?php

declare(strict_types=1);

namespace Plasm\Tests\World;

/** The test vectors that implementations in all languages share: tests/vectors of the repository. */
final class Vectors
{
    public const FOLDER = __DIR__ . '/../../../../tests/vectors/receipts';

    /**
     * As a data provider: each vector of the file by its name.
     *
     * @return array<string, array{array<string, string>}>
     */
    public static function of(string $file): array
    {
        $text = (string) file_get_contents(self::FOLDER . "/{$file}.json");
        $cases = [];
        foreach (json_decode($text, true, flags: JSON_THROW_ON_ERROR) as $number => $vector) {
            $cases[$vector['name'] ?? "number {$number}"] = [$vector];
        }

        return $cases;
    }

    /** @return array<string, string> */
    public static function one(string $file, string $name): array
    {
        return self::of($file)[$name][0];
    }
}
