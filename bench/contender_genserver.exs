# Plain GenServers on the BEAM doing the work of the benchmarks, idiomatically.
#   elixir contender_genserver.exs [call_spread|call_hot|activate|idle_bytes]    local; all of them without a name
#   elixir contender_genserver.exs remote_call|remote_cast|remote_sequential     starts two nodes, without epmd:
#   elixir … contender_genserver.exs serve                                       echo@127.0.0.2, until its input ends
#   elixir … contender_genserver.exs load NAME                                   load@127.0.0.1
defmodule Counter do
  use GenServer
  def init(count), do: {:ok, count}
  def handle_call(%{action: :increment}, _from, count), do: {:reply, count + 1, count + 1}
  def handle_cast(%{action: :increment}, count), do: {:noreply, count + 1}
end

defmodule Bench do
  @callers 500
  # Below the BEAM's default limit of 262,144 processes, callers included.
  @new 200_000

  def report(bench, value, unit \\ "1/s"),
    do: IO.puts(~s({"bench":"#{bench}","who":"genserver","value":#{round(value)},"unit":"#{unit}"}))

  def per_second(n, fun) do
    {us, _} = :timer.tc(fun)
    n / (us / 1.0e6)
  end

  def swarm(fun) do
    1..@callers
    |> Enum.map(fn k -> Task.async(fn -> fun.(k) end) end)
    |> Task.await_many(:infinity)
  end

  def calls(targets, each) do
    run = fn n ->
      per_second(@callers * n, fn -> swarm(fn k -> call(targets, tuple_size(targets), k * 7, n) end) end)
    end

    run.(div(each, 5))
    run.(each)
  end

  defp call(_targets, _size, _at, 0), do: :ok

  defp call(targets, size, at, left) do
    count = GenServer.call(elem(targets, rem(at, size)), %{action: :increment}, :infinity)
    true = count >= 1
    call(targets, size, at + 1, left - 1)
  end

  # Every caller starts its share and gets the first answer of each.
  def activate do
    each = div(@new, @callers)

    per_second(@new, fn ->
      swarm(fn _ ->
        for _ <- 1..each do
          {:ok, pid} = GenServer.start(Counter, 0)
          1 = GenServer.call(pid, %{action: :increment}, :infinity)
        end

        :ok
      end)
    end)
  end

  def local("call_spread"), do: report("call_spread", calls(start(1000), 4000))
  def local("call_hot"), do: report("call_hot", calls(start(1), 4000))
  def local("activate"), do: report("activate", activate())

  def local("idle_bytes") do
    before = :erlang.memory(:total)
    activate()
    report("idle_bytes", (:erlang.memory(:total) - before) / @new, "B")
  end

  # ---- two nodes ----

  @echo :"echo@127.0.0.2"
  @port "45369"

  # Nodes of different loopback addresses can have the same port: so nobody needs an epmd to find it.
  defp node_args(name, ip) do
    erl = "-start_epmd false -erl_epmd_port #{@port} -kernel inet_dist_use_interface {#{ip}}"
    ["--name", name, "--cookie", "bench", "--erl", erl, __ENV__.file]
  end

  def pair(name) do
    elixir = System.find_executable("elixir")
    serve = node_args("echo@127.0.0.2", "127,0,0,2") ++ ["serve"]
    echo = Port.open({:spawn_executable, elixir}, [:binary, args: serve])
    load = node_args("load@127.0.0.1", "127,0,0,1") ++ ["load", name]
    {_, status} = System.cmd(elixir, load, into: IO.stream(:stdio, :line))
    Port.close(echo)
    System.halt(status)
  end

  def serve do
    Process.register(self(), :echo)
    IO.gets("")
    System.halt(0)
  end

  defp serves?, do: Node.connect(@echo) == true and :erpc.call(@echo, Process, :whereis, [:echo]) != nil

  def load(name) do
    true = Enum.any?(1..100, fn _ -> serves?() or Process.sleep(100) != :ok end)
    targets = :erpc.call(@echo, Bench, :start, [1000])
    remote(name, targets)
  end

  defp remote("remote_call", targets), do: report("remote_call", calls(targets, 400))

  defp remote("remote_sequential", targets) do
    one = fn i ->
      from = :erlang.monotonic_time(:nanosecond)
      GenServer.call(elem(targets, rem(i, 1000)), %{action: :increment})
      :erlang.monotonic_time(:nanosecond) - from
    end

    for i <- 1..1000, do: one.(i)
    sorted = Enum.sort(for i <- 1..10_000, do: one.(i))
    report("remote_sequential_p50", Enum.at(sorted, 5000) / 1000, "us")
  end

  defp remote("remote_cast", targets) do
    report("remote_cast", per_second(500_000, fn ->
      for i <- 1..500_000, do: GenServer.cast(elem(targets, rem(i, 1000)), %{action: :increment})
      counts = for pid <- Tuple.to_list(targets), do: GenServer.call(pid, %{action: :increment}, :infinity)
      501_000 = Enum.sum(counts)
    end))
  end

  def start(n), do: List.to_tuple(for _ <- 1..n, do: elem(GenServer.start(Counter, 0), 1))
end

case System.argv() do
  [] -> for name <- ~w(activate idle_bytes call_spread call_hot), do: Bench.local(name)
  ["serve"] -> Bench.serve()
  ["load", name] -> Bench.load(name)
  [name] when name in ~w(remote_call remote_cast remote_sequential) -> Bench.pair(name)
  [name] when name in ~w(activate idle_bytes call_spread call_hot) -> Bench.local(name)
  _ -> IO.puts(:stderr, "usage: contender_genserver.exs [NAME]"); System.halt(2)
end
