#!/usr/bin/env escript
%% What libcluster's gossip strategy does with its socket, its packets and what it receives, for tests:
%%   gossip.escript NODE PORT GROUP multicast|broadcast SECRET|- MINOR_VERSION
%% MINOR_VERSION is term_to_binary's: 1 are the atoms of OTP 25 and older, 2 those of later ones.
%% Prints "ready" when the socket is open, and then "connect NAME" for each packet of another node. As in libcluster, a
%% malformed term ends the process. It sends more often than libcluster does, so that nobody has to wait.
-mode(compile).

main([Name, Port, Group, Mode, Secret, MinorVersion]) ->
    {ok, _} = application:ensure_all_started(crypto),
    {ok, Address} = inet:parse_ipv4_address(Group),
    Options = [binary, {active, true}, {ip, {0, 0, 0, 0}}, {reuseaddr, true}, {broadcast, true}] ++
        case Mode of
            "multicast" ->
                [{multicast_ttl, 1}, {multicast_loop, true}, {multicast_if, {127, 0, 0, 1}},
                 {add_membership, {Address, {127, 0, 0, 1}}}];
            "broadcast" ->
                []
        end,
    {ok, Socket} = gen_udp:open(list_to_integer(Port), Options),
    io:format("ready~n"),
    self() ! heartbeat,
    loop(#{node => list_to_atom(Name), socket => Socket, address => Address, port => list_to_integer(Port),
           secret => Secret, minor => list_to_integer(MinorVersion)}).

loop(#{secret := Secret} = State) ->
    receive
        heartbeat ->
            #{socket := Socket, address := Address, port := Port} = State,
            ok = gen_udp:send(Socket, Address, Port, heartbeat(State)),
            erlang:send_after(rand:uniform(200), self(), heartbeat);
        {udp, _, _, _, <<"heartbeat::", _/binary>> = Packet} when Secret =:= "-" ->
            handle(Packet, State);
        {udp, _, _, _, <<IV:16/binary, Sealed/binary>>} when Secret =/= "-" ->
            case decrypt(Sealed, Secret, IV) of
                {ok, Packet} -> handle(Packet, State);
                error -> ok
            end;
        {udp, _, _, _, _} ->
            ok
    end,
    loop(State).

heartbeat(#{node := Node, secret := Secret, minor := MinorVersion}) ->
    Packet = <<"heartbeat::", (term_to_binary(#{node => Node}, [{minor_version, MinorVersion}]))/binary>>,
    case Secret of
        "-" -> Packet;
        _ -> encrypt(Packet, Secret)
    end.

handle(<<"heartbeat::", Term/binary>>, #{node := Node}) ->
    case binary_to_term(Term) of
        #{node := Node} -> ok;
        #{node := Other} when is_atom(Other) -> io:format("connect ~s~n", [Other]);
        _ -> ok
    end;
handle(_, _) ->
    ok.

encrypt(Packet, Secret) ->
    IV = crypto:strong_rand_bytes(16),
    Padding = 16 - byte_size(Packet) rem 16,
    Padded = <<Packet/binary, (binary:copy(<<Padding>>, Padding))/binary>>,
    <<IV/binary, (crypto:crypto_one_time(aes_256_cbc, crypto:hash(sha256, Secret), IV, Padded, true))/binary>>.

decrypt(Sealed, Secret, IV) when byte_size(Sealed) rem 16 =:= 0, Sealed =/= <<>> ->
    Padded = crypto:crypto_one_time(aes_256_cbc, crypto:hash(sha256, Secret), IV, Sealed, false),
    Padding = binary:last(Padded),
    Size = byte_size(Padded) - Padding,
    case Padded of
        <<Packet:Size/binary, Rest/binary>> when Padding =< 16 ->
            case binary:copy(<<Padding>>, Padding) of
                Rest -> {ok, Packet};
                _ -> error
            end;
        _ ->
            error
    end;
decrypt(_, _, _) ->
    error.
