{
  "variables": {
    # .ci/addon/build-addon.mjs --sanitize: AddressSanitizer and UndefinedBehaviorSanitizer (gcc, clang).
    "sanitize%": 0
  },
  "targets": [
    {
      "target_name": "pidentity",
      "sources": [
        "native/addon.cc",
        "native/argument_array.cc",
        "native/process_reference.cc",
        "native/file_io_calls.cc",
        "native/file_lock_calls.cc",
        "native/inspect.cc",
        "native/js_values.cc",
        "native/parse/cmdline.cc",
        "native/parse/inotify_fdinfo.cc",
        "native/parse/proc_stat.cc",
        "native/parse/procargs2.cc",
        "native/parse/windows_command_line.cc"
      ],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")", "native"],
      "defines": ["NAPI_VERSION=8", "NAPI_DISABLE_CPP_EXCEPTIONS", "NODE_ADDON_API_DISABLE_DEPRECATED"],
      "conditions": [
        ["OS=='linux' or OS=='android'", {
          "sources": [
            "native/linux/arguments.cc",
            "native/linux/clock.cc",
            "native/linux/exact_id.cc",
            "native/linux/file_system_type.cc",
            "native/linux/file_watch.cc",
            "native/linux/host_facts.cc",
            "native/linux/liveness.cc",
            "native/linux/ownership.cc",
            "native/linux/pidfd.cc",
            "native/linux/proc_fs.cc",
            "native/linux/process.cc",
            "native/linux/resolve.cc",
            "native/linux/signal_probe.cc",
            "native/linux/start_time.cc",
            "native/posix/child_tie.cc",
            "native/posix/file_io.cc",
            "native/posix/file_lock.cc"
          ],
          "ldflags": ["-Wl,-z,relro,-z,now"],
          # node-gyp's common.gypi asks for C++17 and turns exceptions off by itself only in some releases.
          "cflags_cc!": ["-std=gnu++17", "-std=c++17", "-std=gnu++20", "-fexceptions"],
          "cflags_cc": ["-std=c++20", "-fno-exceptions", "-fno-rtti", "-fvisibility=hidden",
            "-fstack-protector-strong", "-Wall", "-Wextra", "-Werror"],
          "conditions": [
            ["sanitize==1", {
              "cflags_cc": ["-fsanitize=address,undefined", "-fno-sanitize-recover=all",
                "-fno-omit-frame-pointer"],
              "ldflags": ["-fsanitize=address,undefined"]
            }, {
              # Static, so that the only floor of a prebuilt binary is the C library's.
              "ldflags": ["-static-libstdc++", "-static-libgcc",
                "-Wl,--version-script='<(module_root_dir)/native/exports.map'"]
            }]
          ],
          "configurations": {
            # Needs optimisation: a debug build would only get a warning for it.
            "Release": { "defines": ["_FORTIFY_SOURCE=2"] }
          }
        }],
        ["OS=='mac'", {
          "sources": [
            "native/darwin/arguments.cc",
            "native/darwin/clock.cc",
            "native/darwin/file_system_type.cc",
            "native/darwin/file_watch.cc",
            "native/darwin/host_facts.cc",
            "native/darwin/kernel_queries.cc",
            "native/darwin/ownership.cc",
            "native/darwin/process.cc",
            "native/darwin/same_process.cc",
            "native/posix/child_tie.cc",
            "native/posix/file_io.cc",
            "native/posix/file_lock.cc"
          ],
          # gyp ignores cflags on macOS.
          "xcode_settings": {
            "CLANG_CXX_LANGUAGE_STANDARD": "c++20",
            "CLANG_CXX_LIBRARY": "libc++",
            "GCC_ENABLE_CPP_EXCEPTIONS": "NO",
            "GCC_ENABLE_CPP_RTTI": "NO",
            # Hidden visibility.
            "GCC_SYMBOLS_PRIVATE_EXTERN": "YES",
            "GCC_INLINES_ARE_PRIVATE_EXTERN": "YES",
            "GCC_TREAT_WARNINGS_AS_ERRORS": "YES",
            "WARNING_CFLAGS": ["-Wall", "-Wextra"],
            "OTHER_CFLAGS": ["-fstack-protector-strong"],
            # The first release for Apple silicon.
            "MACOSX_DEPLOYMENT_TARGET": "11.0"
          }
        }],
        ["OS=='win'", {
          "sources": [
            "native/windows/child_tie.cc",
            "native/windows/clock.cc",
            "native/windows/command_line.cc",
            "native/windows/file_io.cc",
            "native/windows/file_lock.cc",
            "native/windows/file_watch.cc",
            "native/windows/handle_reference.cc",
            "native/windows/host.cc",
            "native/windows/ntdll.cc",
            "native/windows/process.cc",
            "native/windows/process_table.cc"
          ],
          # windows.h would otherwise define min and max as macros.
          "defines": ["NOMINMAX", "WIN32_LEAN_AND_MEAN", "_HAS_EXCEPTIONS=0"],
          # The registry; everything else comes from kernel32.
          "libraries": ["-ladvapi32"],
          # node-gyp's own hook, compiled with our flags, has a pragma that means nothing here.
          "msvs_disabled_warnings": [4949],
          "msvs_settings": {
            "VCCLCompilerTool": {
              # The compiler warns about two of them; which one common.gypi has depends on the release.
              "AdditionalOptions!": ["-std:c++17", "-std:c++20", "/std:c++17"],
              # Headers in angle brackets are not ours to warn about.
              "AdditionalOptions": ["/std:c++20", "/permissive-", "/utf-8", "/guard:cf",
                "/external:anglebrackets", "/external:W0"],
              "WarningLevel": 4,
              "WarnAsError": "true",
              "ExceptionHandling": 0,
              "RuntimeTypeInfo": "false"
            },
            "VCLinkerTool": { "AdditionalOptions": ["/guard:cf"] }
          },
          "configurations": {
            # /MT, as Node itself: no Visual C++ runtime has to be installed.
            "Release": { "msvs_settings": { "VCCLCompilerTool": { "RuntimeLibrary": 0 } } }
          }
        }]
      ]
    }
  ]
}
