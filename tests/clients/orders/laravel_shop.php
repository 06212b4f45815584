<?php
// Laravel's Illuminate database over PDO, statements not emulated.
declare(strict_types=1);

// Debian's Illuminate is older than its PHP.
error_reporting(E_ALL & ~E_DEPRECATED);

require 'Illuminate/Database/autoload.php';

use Illuminate\Database\Capsule\Manager as Capsule;
use Illuminate\Database\Eloquent\Model;

class Office extends Model
{
    public function orders()
    {
        return $this->hasMany(Order::class);
    }
}

class User extends Model
{
    public function addresses()
    {
        return $this->hasMany(Address::class);
    }
}

class Address extends Model
{
}

class Order extends Model
{
    public function user()
    {
        return $this->belongsTo(User::class);
    }
}

function listing(): array
{
    $users = $streets = $offices = [];
    foreach (Office::where('name', 'office 3')->first()->orders()->orderBy('id')->get() as $order) {
        $users[] = $order->user->name;
        array_push($streets, ...$order->user->addresses->pluck('street')->all());
        if ($order->is_express) {
            $offices[] = Office::find($order->office_id)->name;
        }
    }
    return [count($users), count($streets), count($offices)];
}

function fixed(): array
{
    $orders = Office::where('name', 'office 3')->first()->orders()->orderBy('id')->with('user.addresses')->get();
    return [$orders->pluck('user.name')->unique()->count(), $orders->sum(fn ($order) => $order->user->addresses->count()),
        $orders->where('is_express', true)->count()];
}

[, $page, $visits, $manner] = $argv;
$capsule = new Capsule();
$capsule->addConnection(['driver' => 'pgsql', 'host' => getenv('PGHOST'), 'port' => getenv('PGPORT'), 'database' => getenv('PGDATABASE'),
    'username' => getenv('PGUSER'), 'password' => getenv('PGPASSWORD'), 'charset' => 'utf8', 'prefix' => '']);
$capsule->setAsGlobal();
$capsule->bootEloquent();
for ($number = 0; $number < (int) $visits; $number++) {
    if ($number > 0 && $manner === 'persistent') {
        usleep((int) (1e6 * (float) getenv('PAUSE')));
    }
    $shown = $page === 'fixed' ? fixed() : listing();
    if ($shown !== [77, 154, 20]) {
        throw new Exception('shown: ' . json_encode($shown));
    }
    if ($manner === 'session') {
        $capsule->getDatabaseManager()->purge();
    }
}
$capsule->getDatabaseManager()->purge();
