-- What wrk runs: visitors who come by turns, each with a cookie of their own.
--
-- The argument is a file with a cookie on each line. What came of it is written as one line of JSON.

local asked, turn = {}, 0

function init(arguments)
   for cookie in io.lines(arguments[1]) do
      asked[#asked + 1] = wrk.format("GET", nil, {Cookie = cookie})
   end
end

function request()
   turn = turn % #asked + 1
   return asked[turn]
end

function done(summary, latency)
   local errors = summary.errors
   local failed = errors.connect + errors.read + errors.write + errors.timeout + errors.status
   io.write(string.format(
      '{"requests": %d, "failed": %d, "seconds": %f, "p50": %f, "p99": %f, "p99.9": %f}\n',
      summary.requests, failed, summary.duration / 1e6,
      latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency:percentile(99.9) / 1e3))
end
