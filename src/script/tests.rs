//! Scripts against a host that knows a handful of commands.

use super::*;
use crate::command::Reply;
use crate::resp::request::OwnedArgv;

#[derive(Default)]
struct Echo {
    errors: Vec<String>,
    counts: u32,
    kill: bool,
}

impl Host for Echo {
    fn call(&mut self, argv: Argv, _: Resp, reply: &mut Vec<u8>) -> Result<(), Vec<u8>> {
        match argv.at(0) {
            b"raw" => reply.extend_from_slice(argv.at(1)),
            b"echo" => crate::resp::encode::bulk(reply, argv.at(1)),
            b"fail" => reply.extend_from_slice(b"-WRONGTYPE no\r\n"),
            _ => return Err(b"Unknown Redis command called from script".to_vec()),
        }
        Ok(())
    }

    fn may_run(&mut self, _: Argv) -> Result<bool, InvalidCall> {
        Err(InvalidCall::Name)
    }

    fn set_repl(&mut self, _: u8) {}

    fn count_error(&mut self, text: &[u8]) {
        self.errors.push(String::from_utf8_lossy(text).into_owned());
    }

    fn on_count(&mut self) -> bool {
        self.counts += 1;
        self.kill
    }
}

struct Bench {
    script: Script,
    host: Echo,
}

impl Bench {
    fn new() -> Bench {
        let mut script = Script::default();
        script.set_limit(256 << 20);
        Bench {
            script,
            host: Echo::default(),
        }
    }

    fn run_body(&mut self, resp: Resp, body: &str) -> String {
        let sha = match self.script.load(body.as_bytes(), true) {
            Ok(sha) => sha,
            Err(text) => return String::from_utf8_lossy(&text).into_owned(),
        };
        let (function, _) = self.script.cache.touch(&sha).unwrap();
        let keys: OwnedArgv = ["k1", "k2"].into_iter().collect();
        let args: OwnedArgv = ["a1"].into_iter().collect();
        let call = Invocation {
            function,
            name: &sha,
            keys: keys.as_argv(),
            args: args.as_argv(),
        };
        let mut out = Vec::new();
        let mut vm = self.script.take_vm(Role::Scripts);
        // An error is a reply all the same.
        let _ = vm.run(&mut self.host, &call, &mut Reply::new(&mut out, resp));
        self.script.put_vm(Role::Scripts, vm);
        let text = String::from_utf8_lossy(&out).replace("\r\n", "|");
        text.replace(std::str::from_utf8(&sha).unwrap(), "SHA")
    }

    fn eval(&mut self, body: &str) -> String {
        self.run_body(Resp::V2, body)
    }
}

fn check(cases: &[(&str, &str)]) {
    let mut bench = Bench::new();
    for (body, expected) in cases {
        assert_eq!(bench.eval(body), *expected, "{body}");
    }
}

#[test]
fn values_become_replies() {
    check(&[
        ("return 3.99", ":3|"),
        ("return -3.99", ":-3|"),
        ("return 1e300", ":-9223372036854775808|"),
        ("return 'x'", "$1|x|"),
        ("return true", ":1|"),
        ("return false", "$-1|"),
        ("return", "$-1|"),
        ("return tostring", "$-1|"),
        ("return {1,2,nil,4}", "*2|:1|:2|"),
        ("return {1,{'x',{}},true,false}", "*4|:1|*2|$1|x|*0|:1|$-1|"),
        ("return {err='X y\\nz'}", "-X y z|"),
        ("return {ok='a\\nb'}", "+a b|"),
        ("return {ok={}}", "*0|"),
        ("return {double=3.5}", "$3|3.5|"),
        ("return {map={a=1}}", "*2|$1|a|:1|"),
        ("return {set={a=true}}", "*1|$1|a|"),
        ("return {big_number='123'}", "$3|123|"),
        (
            "return {verbatim_string={string='x',format='txt'}}",
            "$1|x|",
        ),
        (
            "return {KEYS[1],KEYS[2],KEYS[3],ARGV[1]}",
            "*2|$2|k1|$2|k2|",
        ),
        ("redis.setresp(3) return {true,false}", "*2|:1|:0|"),
    ]);
    let mut bench = Bench::new();
    let mut three = |body: &str| bench.run_body(Resp::V3, body);
    assert_eq!(three("redis.setresp(3) return {true,false}"), "*2|#t|#f|");
    assert_eq!(three("return {double=3.5}"), ",3.5|");
    assert_eq!(three("return {map={a=1}}"), "%1|$1|a|:1|");
    assert_eq!(three("return {big_number='123'}"), "(123|");
    assert_eq!(
        three("return {verbatim_string={string='x',format='txt'}}"),
        "=5|txt:x|"
    );
}

#[test]
fn replies_become_values() {
    let raw = |reply: &str, then: &str| format!("local r = redis.call('raw', '{reply}') {then}");
    let mut bench = Bench::new();
    let mut get = |reply: &str, then: &str| bench.eval(&raw(reply, then));
    assert_eq!(get(":7\\r\\n", "return r + 1"), ":8|");
    assert_eq!(get("$-1\\r\\n", "return tostring(r)"), "$5|false|");
    assert_eq!(get("_\\r\\n", "return tostring(r)"), "$3|nil|");
    assert_eq!(
        get("*2\\r\\n$1\\r\\na\\r\\n*1\\r\\n:1\\r\\n", "return r"),
        "*2|$1|a|*1|:1|"
    );
    assert_eq!(get("+OK\\r\\n", "return r.ok"), "$2|OK|");
    assert_eq!(
        get("%1\\r\\n+a\\r\\n:1\\r\\n", "return type(r.map)"),
        "$5|table|"
    );
    assert_eq!(
        get("~1\\r\\n$1\\r\\na\\r\\n", "return tostring(r.set.a)"),
        "$4|true|"
    );
    assert_eq!(get(",1.5\\r\\n", "return tostring(r.double)"), "$3|1.5|");
    assert_eq!(get("#t\\r\\n", "return tostring(r)"), "$4|true|");
    let text = "return r.verbatim_string.format .. r.verbatim_string.string";
    assert_eq!(get("=5\\r\\ntxt:x\\r\\n", text), "$4|txtx|");
}

#[test]
fn errors_read_as_in_redis() {
    check(&[
        (
            "error('boom')",
            "-ERR user_script:1: boom script: SHA, on @user_script:1.|",
        ),
        (
            "error({err='MY boom', x=1})",
            "-MY boom script: SHA, on @user_script:1.|",
        ),
        (
            "error({})",
            "-ERR unknown error script: SHA, on @user_script:1.|",
        ),
        ("error()", "-ERR nil script: SHA, on @user_script:1.|"),
        (
            "return foo",
            "-ERR user_script:1: Script attempted to access nonexistent global variable 'foo' script: SHA, on @user_script:1.|",
        ),
        (
            "foo = 1",
            "-ERR user_script:1: Attempt to modify a readonly table script: SHA, on @user_script:1.|",
        ),
        (
            "rawset(_G, 'x', 1)",
            "-ERR Attempt to modify a readonly table script: SHA, on @user_script:1.|",
        ),
        (
            "return redis.call('nosuch')",
            "-ERR Unknown Redis command called from script script: SHA, on @user_script:1.|",
        ),
        (
            "return redis.call('fail')",
            "-WRONGTYPE no script: SHA, on @user_script:1.|",
        ),
        ("return redis.pcall('fail')", "-WRONGTYPE no|"),
        (
            "return {pcall(redis.call, 'fail')}",
            "*2|$-1|$12|WRONGTYPE no|",
        ),
        (
            "local _, e = pcall(redis.call, 'fail') return e",
            "$12|WRONGTYPE no|",
        ),
        (
            "\n\nlocal x = nil + 1",
            "-ERR user_script:3: attempt to perform arithmetic on a nil value script: SHA, on @user_script:3.|",
        ),
        (
            "syntax error",
            "ERR Error compiling script (new function): user_script:1: '=' expected near 'error'",
        ),
        (
            "\u{1b}Lua",
            "ERR Error compiling script (new function): user_script:1: unexpected symbol near 'char(27)'",
        ),
        (
            "return redis.sha1hex()",
            "-ERR wrong number of arguments script: SHA, on @user_script:1.|",
        ),
        (
            "return math.random(0)",
            "-ERR user_script:1: bad argument #1 to 'random' (interval is empty) script: SHA, on @user_script:1.|",
        ),
        (
            "coroutine.yield(1)",
            "-ERR attempt to yield across metamethod/C-call boundary script: SHA, on @user_script:1.|",
        ),
    ]);
}

#[test]
fn random_numbers_are_those_of_redis() {
    check(&[
        (
            "return {math.random(), math.random(10), math.random(5,9)}",
            "*3|:0|:9|:6|",
        ),
        ("return tostring(math.random())", "$16|0.44658343468168|"),
        (
            "math.randomseed(0) return tostring(math.random())",
            "$16|0.17082803611217|",
        ),
        ("return tostring(math.random())", "$16|0.74990198051087|"),
    ]);
}

#[test]
fn nothing_is_left_behind() {
    let mut bench = Bench::new();
    for attack in [
        "redis.call = function() end",
        "string.rep = nil",
        "getmetatable('').__index = nil",
        "getmetatable('').__index.rep = nil",
        "getmetatable(_G).__index = nil",
        "setmetatable(_G, {})",
        "setmetatable(redis, {})",
        "rawset(redis, 'call', 1)",
        "table.insert(redis, 1)",
        "local n, t = pairs(redis) t.call = nil",
        "local n, t = pairs(_G) rawset(t, 'x', 1)",
        "for k, v in pairs(_G) do _G[k] = nil end",
        "cjson.encode = nil",
        "error(redis)",
    ] {
        bench.eval(attack);
        let whole = "return {type(redis.call), type(string.rep), ('x'):rep(3), rawget(redis, 1), \
                     type(cjson.encode), rawget(_G, 'x')}";
        assert_eq!(
            bench.eval(whole),
            "*3|$8|function|$8|function|$3|xxx|",
            "{attack}"
        );
    }
    let names = "local n = {} for k in pairs(redis) do n[#n + 1] = k end table.sort(n) return #n";
    assert_eq!(bench.eval(names), ":23|");
    assert_eq!(bench.eval("return type(next(redis))"), "$6|string|");
    assert_eq!(bench.eval("return tostring(_G == _G._G)"), "$4|true|");
    assert_eq!(
        bench.eval("return tostring(getmetatable(redis))"),
        "$3|nil|"
    );
    assert_eq!(
        bench.eval("return type(getmetatable(_G).__index)"),
        "$8|function|"
    );
}

#[test]
fn runaway_scripts_end_with_an_error() {
    let mut bench = Bench::new();
    for (bomb, message) in [
        (
            "local s = 'x' while true do s = s .. s end",
            "not enough memory",
        ),
        ("return string.rep('x', 1e10)", "not enough memory"),
        (
            "local t = {} for i = 1, 1e9 do t[i] = {} end",
            "not enough memory",
        ),
        (
            "local function f() return f() + 1 end return f()",
            "stack overflow",
        ),
        ("return {unpack({}, 1, 1e8)}", "too many results"),
        (
            "return {unpack({}, -2147483648, 2147483647)}",
            "too many results",
        ),
        (
            "local t = {} t[1] = t return cjson.encode(t)",
            "excessive nesting",
        ),
        (
            "return cjson.decode(string.rep('[', 100000))",
            "too many nested",
        ),
        (
            "return cmsgpack.unpack(string.rep('\\145', 100000))",
            "stack overflow",
        ),
        ("local t = {} t[1] = t return t", "reached lua stack limit"),
        ("return bit.tohex(1, -2147483648)", "00000001"),
        ("return struct.unpack('c0', 'a')", "previous size"),
        ("return struct.pack('i2147483648', 1)", "overflow"),
        (
            "return tostring(loadstring(string.dump(function() end)))",
            "nil",
        ),
        (
            "return tostring(load(function() return '\\27Lua' end))",
            "nil",
        ),
        (
            "return ('a'):rep(1e5):find(('a?'):rep(1e5))",
            "pattern too complex",
        ),
        ("return string.format('%99999d', 1)", "invalid format"),
        (
            "return ('x'):rep(1e6):gsub('.', function() return ('y'):rep(1e6) end)",
            "not enough memory",
        ),
    ] {
        let answer = bench.eval(bomb);
        assert!(
            answer.contains(message),
            "{bomb}: {}",
            &answer[..answer.len().min(200)]
        );
    }
    assert_eq!(bench.eval("return 1"), ":1|");
    let (bytes, _) = bench.script.vm_bytes();
    assert!(bytes < 400 << 20, "{bytes}");
}

#[test]
fn protected_tables_are_packed_like_plain_ones() {
    let mut bench = Bench::new();
    let answer = bench.eval("return cjson.encode(redis)");
    assert!(answer.contains("Cannot serialise function"), "{answer}");
    assert_eq!(bench.eval("return #cmsgpack.pack(bit) > 12"), ":1|");
}

#[test]
fn numbers_that_do_not_fit_are_as_the_machine_has_them() {
    check(&[
        (
            "return cmsgpack.unpack('\\207\\255\\255\\255\\255\\255\\255\\255\\255')",
            ":-1|",
        ),
        ("return {struct.unpack('', 'abc', -1)}", "*1|:-1|"),
        (
            "return {cmsgpack.unpack_limit(cmsgpack.pack(1, 2), 2^31)}",
            "*3|:-1|:1|:2|",
        ),
        (
            "return {pcall(cmsgpack.unpack_one, cmsgpack.pack(1, 2), 0/0)}",
            "*2|$-1|$58|Invalid request to unpack with offset of 0 and limit of 2.|",
        ),
        (
            "return select(2, pcall(redis.set_repl, 0/0))",
            "$81|ERR Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.|",
        ),
    ]);
}

#[test]
fn raised_errors_forge_nothing() {
    let mut bench = Bench::new();
    let answer = bench.eval("error({err='MY a\\r\\n+OK'})");
    assert!(answer.starts_with("-MY a  +OK script: SHA"), "{answer}");
}

#[test]
fn functions_are_registered_with_words_of_any_case() {
    let mut script = Script::default();
    let code = b"#!lua name=l\nredis.register_function{FUNCTION_NAME='f', Callback=function() end}";
    assert_eq!(script.load_library(code, false, None), Ok(b"l".to_vec()));
    // As Redis does, it counts two of one name.
    let code = b"#!lua name=l\nlocal f = function() end \
        redis.register_function('f', f) redis.register_function('F', f)";
    assert_eq!(script.load_library(code, true, None), Ok(b"l".to_vec()));
    assert_eq!(script.libraries.function_count(), 2);
}

#[test]
fn a_killed_script_ends() {
    let mut bench = Bench::new();
    bench.host.kill = true;
    let text = "-ERR Script killed by user with SCRIPT KILL... script: SHA, on @user_script:1.|";
    for body in [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "local function f() while true do end end while 1 do xpcall(f, f) end",
        "while true do local c = coroutine.wrap(function() while true do end end) pcall(c) end",
    ] {
        let answer = bench.eval(body);
        assert!(
            answer.starts_with("-ERR ") && answer.contains("killed"),
            "{body}: {answer}"
        );
    }
    assert_eq!(bench.eval("while true do end"), text);
    bench.host.kill = false;
    assert_eq!(bench.eval("for i = 1, 1e6 do end return 1"), ":1|");
    assert!(bench.host.counts > 4);
}

#[test]
fn a_library_that_does_not_come_to_an_end_is_refused() {
    let mut script = Script::default();
    let mut load = |code: &str| match script.load_library(code.as_bytes(), false, Some(20)) {
        Ok(name) | Err(name) => String::from_utf8(name).unwrap(),
    };
    assert_eq!(
        load("#!lua name=a\nlocal n = 1\nwhile 1 do n = n + 1 end"),
        "ERR Error registering functions: ERR FUNCTION LOAD timeout"
    );
    // And the next one is not.
    let f = "redis.register_function('f', function() return 1 end)";
    assert_eq!(load(&format!("#!lua name=a\n{f}")), "a");
}

#[test]
fn libraries_register_functions() {
    let mut script = Script::default();
    let mut load = |code: &str, replace| match script.load_library(code.as_bytes(), replace, None) {
        Ok(name) | Err(name) => String::from_utf8(name).unwrap(),
    };
    let f = "redis.register_function('f', function(keys, args) return {keys[1], args[1]} end)";
    assert_eq!(load(&format!("#!lua name=a\n{f}"), false), "a");
    assert_eq!(
        load(&format!("#!lua name=a\n{f}"), false),
        "ERR Library 'a' already exists"
    );
    assert_eq!(load(&format!("#!lua name=a\n{f}"), true), "a");
    assert_eq!(
        load(&format!("#!lua name=b\n{f}"), false),
        "ERR Function f already exists"
    );
    assert_eq!(load("return 1", false), "ERR Missing library metadata");
    assert_eq!(
        load("#!lua name=d\nreturn 1", false),
        "ERR No functions registered"
    );
    assert_eq!(
        load("#!lua name=d\nx=1", false),
        "ERR Error registering functions: ERR user_function:2: Attempt to modify a readonly table"
    );
    assert_eq!(
        load("#!lua name=d\nredis.call('get')", false),
        "ERR Error registering functions: ERR user_function:2: Script attempted to access \
         nonexistent global variable 'call'"
    );
    assert_eq!(
        load(
            "#!lua name=d\nredis.register_function{function_name='x', callback=1}",
            false
        ),
        "ERR Error registering functions: ERR callback argument given to redis.register_function \
         must be a function"
    );
    assert_eq!(script.libraries.len(), 1);
    assert!(script.delete_library(b"a") && !script.delete_library(b"a"));
}

/// Published vulnerabilities of Lua in Redis, each by its CVE number, and the result here.
#[test]
fn published_attacks_end_cleanly() {
    let long = "return loadstring('return [' .. ('='):rep(1e6) .. 'x')";
    let collected = "local f for i = 1, 200 do \
        f = loadstring('return ' .. i, 'name' .. i .. '\\0' .. ('x'):rep(1000)) \
        collectgarbage() end \
        local n = 0 return load(function() n = n + 1 collectgarbage() \
        return n < 50 and 'local a' .. n .. ' = 1 ' or nil end) and f()";
    let cases = [
        // A stack that was not checked: deep values, many results.
        (
            "2021-32626",
            "local t = {} for i = 1, 1e5 do t = {t} end return t",
            "stack limit",
        ),
        (
            "2021-32626",
            "return {redis.call('raw', ('*1\\r\\n'):rep(1e5))}",
            "stack limit",
        ),
        (
            "2021-32626",
            "return cmsgpack.unpack(('\\145'):rep(1e5))",
            "stack overflow",
        ),
        // The globals of other callers' scripts.
        ("2022-24735", "redis.call = error", "readonly"),
        (
            "2022-24735",
            "local m = getmetatable(_G) m.__index = error",
            "readonly",
        ),
        // An error without what the error handler expects.
        (
            "2022-24736",
            "error(setmetatable({}, {__index = error}))",
            "unknown error",
        ),
        (
            "2022-24736",
            "local e = setmetatable({}, {__tostring = 1}) error(e)",
            "unknown error",
        ),
        // A digit count that cannot be negated.
        (
            "2024-31449",
            "return bit.tohex(0xff, -2147483648)",
            "000000FF",
        ),
        // Finalizers, and what is left for the collector when the VM ends.
        (
            "2024-46981",
            "return newproxy(true)",
            "nonexistent global variable 'newproxy'",
        ),
        (
            "2024-46981",
            "setmetatable({}, {__gc = error}) collectgarbage() return 7",
            ":7",
        ),
        // A chunk name that is collected while it is parsed.
        ("2025-49844", collected, ":200"),
        // A range whose length overflows.
        (
            "2025-46817",
            "return unpack({}, 0, 2147483647)",
            "too many results",
        ),
        (
            "2025-46817",
            "return unpack({}, -2147483648, 2147483647)",
            "too many results",
        ),
        // The metatable of strings.
        ("2025-46818", "getmetatable('').__index = error", "readonly"),
        ("2025-46818", "getmetatable('').__add = error", "readonly"),
        ("2025-46818", "setmetatable('', {})", "bad argument"),
        // A delimiter that is longer than its counter.
        ("2025-46819", long, "$-1"),
        // Sizes that overflow.
        ("2015-4335", "return tostring(loadstring('\\27Lua'))", "nil"),
        (
            "2018-11218",
            "return cmsgpack.unpack('\\223\\255\\255\\255\\255')",
            "Missing bytes",
        ),
        (
            "2018-11219",
            "return struct.unpack('>I4c0', '\\255\\255\\255\\255')",
            "too short",
        ),
        (
            "2020-14147",
            "return struct.pack('>I2147483647', '1')",
            "larger than limit",
        ),
    ];
    let mut bench = Bench::new();
    for (number, attack, end) in cases {
        let answer = bench.eval(attack);
        let shown = &answer[answer.len().saturating_sub(300)..];
        assert!(answer.contains(end), "CVE-{number}: {attack}: {shown}");
        assert_eq!(bench.eval("return ('x'):rep(3)"), "$3|xxx|", "CVE-{number}");
    }
    drop(bench.script.flush());
    assert_eq!(bench.eval("return 1"), ":1|");
}

#[test]
fn decoded_arrays_can_be_marked() {
    check(&[
        (
            "return tostring(cjson.decode_array_with_array_mt())",
            "$5|false|",
        ),
        ("return cjson.encode(cjson.decode('[]'))", "$2|{}|"),
        (
            "return tostring(cjson.decode_array_with_array_mt(true))",
            "$4|true|",
        ),
        (
            "return cjson.encode(cjson.decode('[[],{},[[]]]'))",
            "$12|[[],{},[[]]]|",
        ),
        (
            "local t = cjson.decode('[1,2]') t[1] = nil t[2] = nil return cjson.encode(t)",
            "$2|[]|",
        ),
        (
            "local t = cjson.decode('[1,2]') t[1] = nil return cjson.encode(t)",
            "$8|[null,2]|",
        ),
        (
            "local t = cjson.decode('[]') t.a = 5 t[100] = 5 return cjson.encode(t)",
            "$2|[]|",
        ),
        (
            "return next(getmetatable(cjson.decode('[1]')))",
            "$16|__is_cjson_array|",
        ),
        (
            "return tostring(getmetatable(cjson.decode('{}')))",
            "$3|nil|",
        ),
        (
            "return cjson.encode(setmetatable({}, getmetatable(cjson.decode('[]'))))",
            "$2|[]|",
        ),
        (
            "return cjson.encode(setmetatable(cjson.decode('[]'), nil))",
            "$2|{}|",
        ),
        (
            "return cjson.encode(setmetatable({}, {__is_cjson_array=true}))",
            "$2|[]|",
        ),
        (
            "return cjson.encode(setmetatable({1}, {__is_cjson_array=false}))",
            "$3|[1]|",
        ),
        // A module of its own has settings of its own.
        ("return cjson.encode(cjson.new().decode('[]'))", "$2|{}|"),
        ("return cjson.new().encode(cjson.decode('[]'))", "$2|[]|"),
        (
            "local c = cjson.new() c.decode_array_with_array_mt('on') \
             return cjson.encode(c.decode('[]'))",
            "$2|[]|",
        ),
        (
            "return tostring(cjson.decode_array_with_array_mt('off'))",
            "$5|false|",
        ),
        ("return cjson.encode(cjson.decode('[]'))", "$2|{}|"),
    ]);
    let mut bench = Bench::new();
    for change in [
        "getmetatable(t).x = 1",
        "rawset(getmetatable(t), '__is_cjson_array', false)",
        "setmetatable(getmetatable(t), {})",
    ] {
        let array = "cjson.decode_array_with_array_mt(true) local t = cjson.decode('[]')";
        let answer = bench.eval(&format!("{array} {change}"));
        assert!(
            answer.contains("Attempt to modify a readonly table"),
            "{answer}"
        );
        assert_eq!(
            bench.eval(&format!("{array} return cjson.encode(t)")),
            "$2|[]|"
        );
    }
    let wrong = bench.eval("cjson.decode_array_with_array_mt(1)");
    assert!(wrong.contains("(invalid option '1')"), "{wrong}");
    let wrong = bench.eval("cjson.decode_array_with_array_mt(true, false)");
    assert!(
        wrong.contains("#2 to 'decode_array_with_array_mt' (found too many arguments)"),
        "{wrong}"
    );
}
