<?php

declare(strict_types=1);

// The tests need no `composer install`: this loads what composer.json says under autoload and autoload-dev.
spl_autoload_register(function (string $class): void {
    $folders = ['Plasm\\Tests\\' => __DIR__, 'Plasm\\' => dirname(__DIR__) . '/src'];
    foreach ($folders as $prefix => $folder) {
        if (str_starts_with($class, $prefix)) {
            $path = $folder . '/' . str_replace('\\', '/', substr($class, strlen($prefix))) . '.php';
            if (is_file($path)) {
                require $path;
            }

            return;
        }
    }
});
